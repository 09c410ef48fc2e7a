"""Values that cannot work are refused before anything is installed, and the message names the value."""

import functools
import json
import re
from typing import Any

import pytest

from tests.chart.helm import CHART, Refused, template, values_of
from tests.chart.refusals import OF_THE_SCHEMA, OF_THE_TEMPLATES

SENTENCE = re.compile(r"\b(?:fail|required) \(?(?:printf )?\"((?:[^\"\\]|\\.)+)\"")
PLACE = re.compile(r"%[sdv]")


def message_about(values: dict[str, Any], major: int = 4) -> str:
    return _said(json.dumps(values), major)


@pytest.mark.parametrize(("values", "part"), OF_THE_SCHEMA, ids=[part for _, part in OF_THE_SCHEMA])
def test_a_value_of_the_wrong_kind_is_refused(values: dict[str, Any], part: str) -> None:
    message = message_about(values)

    assert "values don't meet the specifications of the schema(s)" in message
    assert part in message


@pytest.mark.parametrize(("values", "part"), OF_THE_TEMPLATES, ids=[part for _, part in OF_THE_TEMPLATES])
def test_a_combination_that_cannot_work_is_refused(values: dict[str, Any], part: str) -> None:
    message = message_about(values)

    assert part in message
    assert "the schema" not in message


def message_to_argo(**values: Any) -> str:
    """Return how the chart answers a renderer that knows the cluster's kinds but cannot read the cluster."""
    with pytest.raises(Refused) as refused:
        template("--api-versions", "argoproj.io/v1alpha1", values=values)
    return " ".join(str(refused.value).split())


def test_argo_cd_cannot_generate_secrets() -> None:
    assert "would generate new secrets at each sync: set useHelmHooks=false" in message_to_argo()
    assert template(*values_of("external"), "--api-versions", "argoproj.io/v1alpha1")


def test_helm_3_refuses_the_same_values() -> None:
    assert OF_THE_TEMPLATES[0][1] in message_about(OF_THE_TEMPLATES[0][0], major=3)
    assert "Additional property gatewya is not allowed" in message_about({"gatewya": {}}, major=3)


def test_every_message_of_the_templates_is_tested() -> None:
    sources = [path.read_text() for path in (CHART / "templates").rglob("*.*")]
    sentences = {sentence for source in sources for sentence in SENTENCE.findall(source)}
    messages = [*(message_about(values) for values, _ in OF_THE_TEMPLATES), message_to_argo()]

    untested = [one for one in sentences if not any(_pattern(one).search(text) for text in messages)]

    assert len(sentences) > 10
    assert untested == []


@functools.cache
def _said(values: str, major: int) -> str:
    """Return the message in one line: Helm wraps some lines."""
    with pytest.raises(Refused) as refused:
        template(values=json.loads(values), major=major)
    return " ".join(str(refused.value).split())


def _pattern(sentence: str) -> re.Pattern[str]:
    """Return a pattern for a message, with anything where `printf` inserts a value."""
    return re.compile(".+".join(map(re.escape, PLACE.split(sentence))))

"""The chart brings an operator's own models to Triton, from an image, a claim or a bucket."""

from typing import Any

import pytest

from tests.chart.helm import DEFAULT, release, rendered
from tests.chart.kubernetes import VERSIONS, problems

SOURCES: dict[str, dict[str, Any]] = {
    "image": {"image": {"registry": "registry.example.com", "repository": "nets", "tag": "1"}},
    "claim": {"existingClaim": "nets", "subPath": "loupe/models"},
    "s3": {"s3": {"bucket": "nets", "prefix": "loupe/"}},
}


@pytest.mark.parametrize("source", SOURCES)
def test_triton_finds_own_models_wherever_they_come_from(source: str) -> None:
    found = release(inference={"ownModels": SOURCES[source]})

    [pod] = [pod for pod in found.pods if pod.component == "inference"]
    containers = {each["name"]: each for each in pod.spec["containers"]}
    prepared = [each for each in pod.spec["initContainers"] if each["name"] == "own-models"]
    [volume] = [each for each in pod.spec["volumes"] if each["name"] == "own-models"]
    [mount] = [each for each in containers["triton"]["volumeMounts"] if each["name"] == "own-models"]
    environment = {each["name"]: each.get("value") for each in containers["triton"]["env"]}
    assert environment["LOUPE_TRITON_OWN_MODELS"] == mount["mountPath"]
    assert mount["readOnly"]
    assert not [each for one in found.objects for each in problems(one, VERSIONS[-1])]
    if source == "claim":
        assert (volume["persistentVolumeClaim"]["claimName"], mount["subPath"]) == ("nets", "loupe/models")
        assert not prepared
        return
    [before] = prepared
    assert "emptyDir" in volume
    if source == "image":
        assert before["image"] == "registry.example.com/nets:1"
        assert before["command"] == ["cp", "-R", "/own-models/.", "/volume/"]
    else:
        given = {each["name"]: each.get("value") for each in before["env"]}
        assert before["command"] == ["python", "-m", "inference.own_models", "/volume"]
        assert (given["INFERENCE_OWN_MODELS_BUCKET"], given["INFERENCE_OWN_MODELS_PREFIX"]) == (
            "nets",
            "loupe/",
        )


def test_without_own_models_nothing_is_added() -> None:
    [pod] = [pod for pod in rendered(DEFAULT).pods if pod.component == "inference"]

    assert "own-models" not in str(pod.spec)

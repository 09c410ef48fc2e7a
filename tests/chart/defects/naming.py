"""Defects of names and labels."""

from tests.chart.checks import names
from tests.chart.defects import Defect
from tests.chart.planting import CONTAINER, GONE, WEB, another, planted, sound

POD_LABELS = "spec|template|metadata|labels|"

DEFECTS: tuple[Defect, ...] = (
    (names.names_are_valid, planted(WEB, "metadata.name", "web_1"), "Deployment/web_1: a name has"),
    (names.names_are_valid, planted(WEB, "metadata.name", "w" * 64), "a name has at most 63"),
    (names.names_are_valid, planted(WEB, f"{CONTAINER}.name", "Web"), "'Web' is no name"),
    (names.names_are_taken_once, sound(another(WEB)), "Deployment/web is there 2 times"),
    (names.names_are_taken_once, planted(WEB, f"{CONTAINER}.ports.1.name", "http"), "http is there 2 times"),
    (names.all_is_in_the_namespace, planted(WEB, "metadata.namespace", "default"), "the namespace default"),
    (
        names.all_is_in_the_namespace,
        sound({"kind": "PriorityClass", "metadata": {"name": "first", "namespace": "sound"}}),
        "PriorityClass/first: it belongs to no namespace",
    ),
    (
        names.labels_are_standard,
        planted(WEB, "metadata|labels|helm.sh/chart", GONE),
        "Deployment/web: no label helm.sh/chart",
    ),
    (
        names.labels_are_standard,
        planted(WEB, "metadata|labels|app.kubernetes.io/managed-by", "me"),
        "managed by me",
    ),
    (
        names.labels_are_standard,
        planted(WEB, f"{POD_LABELS}app.kubernetes.io/component", GONE),
        "pods of Deployment/web: no label app.kubernetes.io/component",
    ),
    (names.label_values_are_valid, planted(WEB, "metadata.labels.version", "1.0+5"), "'1.0+5' is no value"),
    (
        names.hooks_are_removed,
        planted("Job/setup", "metadata.annotations", {"helm.sh/hook": "pre-install"}),
        "Job/setup: a hook",
    ),
    (
        names.variables_are_named_once,
        planted(WEB, f"{CONTAINER}.env.1", {"name": "WEB_SECRET", "value": "x"}),
        "WEB_SECRET is set 2 times",
    ),
    (
        names.variables_are_named_once,
        planted(WEB, f"{CONTAINER}.env.1", {"name": "web.url", "value": "x"}),
        "'web.url' is no variable",
    ),
)

"""Defects in names and labels."""

from tests.chart.checks import names
from tests.chart.defects import Defect
from tests.chart.planting import CONTAINER, GONE, WEB, another, planted, sound

POD_LABELS = "spec|template|metadata|labels|"

DEFECTS: tuple[Defect, ...] = (
    (names.names_are_valid, planted(WEB, "metadata.name", "web_1"), "Deployment/web_1: a name has"),
    (names.names_are_valid, planted(WEB, "metadata.name", "w" * 64), "a name has at most 63"),
    (names.names_are_valid, planted(WEB, f"{CONTAINER}.name", "Web"), "'Web' is no name"),
    (names.names_are_unique, sound(another(WEB)), "Deployment/web exists 2 times"),
    (names.names_are_unique, planted(WEB, f"{CONTAINER}.ports.1.name", "http"), "http exists 2 times"),
    (
        names.objects_are_in_the_namespace,
        planted(WEB, "metadata.namespace", "default"),
        "the namespace default",
    ),
    (
        names.objects_are_in_the_namespace,
        sound({"kind": "PriorityClass", "metadata": {"name": "first", "namespace": "sound"}}),
        "PriorityClass/first: this kind has no namespace",
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
        names.variables_are_unique,
        planted(WEB, f"{CONTAINER}.env.1", {"name": "WEB_SECRET", "value": "x"}),
        "WEB_SECRET is set 2 times",
    ),
    (
        names.variables_are_unique,
        planted(WEB, f"{CONTAINER}.env.1", {"name": "web.url", "value": "x"}),
        "'web.url' is no variable",
    ),
)

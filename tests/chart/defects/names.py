"""Defects in names and labels."""

from tests.chart.checks import names
from tests.chart.defects import Defect
from tests.chart.planted_defects import CONTAINER, REMOVED, WEB, correct_release, plant_defect, renamed_copy

POD_LABELS = "spec|template|metadata|labels|"

DEFECTS: tuple[Defect, ...] = (
    (names.names_are_valid, plant_defect(WEB, "metadata.name", "web_1"), "Deployment/web_1: a name has"),
    (names.names_are_valid, plant_defect(WEB, "metadata.name", "w" * 64), "a name has at most 63"),
    (names.names_are_valid, plant_defect(WEB, f"{CONTAINER}.name", "Web"), "'Web' is no name"),
    (names.names_are_unique, correct_release(renamed_copy(WEB)), "Deployment/web exists 2 times"),
    (names.names_are_unique, plant_defect(WEB, f"{CONTAINER}.ports.1.name", "http"), "http exists 2 times"),
    (
        names.objects_are_in_the_namespace,
        plant_defect(WEB, "metadata.namespace", "default"),
        "the namespace default",
    ),
    (
        names.objects_are_in_the_namespace,
        correct_release({"kind": "PriorityClass", "metadata": {"name": "first", "namespace": "sound"}}),
        "PriorityClass/first: this kind has no namespace",
    ),
    (
        names.labels_are_standard,
        plant_defect(WEB, "metadata|labels|helm.sh/chart", REMOVED),
        "Deployment/web: no label helm.sh/chart",
    ),
    (
        names.labels_are_standard,
        plant_defect(WEB, "metadata|labels|app.kubernetes.io/managed-by", "me"),
        "managed by me",
    ),
    (
        names.labels_are_standard,
        plant_defect(WEB, f"{POD_LABELS}app.kubernetes.io/component", REMOVED),
        "pods of Deployment/web: no label app.kubernetes.io/component",
    ),
    (
        names.label_values_are_valid,
        plant_defect(WEB, "metadata.labels.version", "1.0+5"),
        "'1.0+5' is no value",
    ),
    (
        names.hooks_are_removed,
        plant_defect("Job/setup", "metadata.annotations", {"helm.sh/hook": "pre-install"}),
        "Job/setup: a hook",
    ),
    (
        names.variables_are_unique,
        plant_defect(WEB, f"{CONTAINER}.env.1", {"name": "WEB_SECRET", "value": "x"}),
        "WEB_SECRET is set 2 times",
    ),
    (
        names.variables_are_unique,
        plant_defect(WEB, f"{CONTAINER}.env.1", {"name": "web.url", "value": "x"}),
        "'web.url' is no variable",
    ),
)

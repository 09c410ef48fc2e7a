"""Defects in scalers and disruption budgets."""

from tests.chart.checks import scaling
from tests.chart.defects import Defect
from tests.chart.planted_defects import CONTAINER, REMOVED, WEB, correct_release, plant_defect, renamed_copy

SCALER = "HorizontalPodAutoscaler/web"
BUDGET = "PodDisruptionBudget/web"
BY_LAG = {
    "kind": "ScaledObject",
    "metadata": {"name": "web"},
    "spec": {"scaleTargetRef": {"name": "web"}, "minReplicaCount": 0, "maxReplicaCount": 4},
}

DEFECTS: tuple[Defect, ...] = (
    (
        scaling.scalers_have_a_target,
        plant_defect(SCALER, "spec.scaleTargetRef.name", "wbe"),
        "there is no Deployment wbe",
    ),
    (
        scaling.scalers_have_a_target,
        plant_defect(SCALER, "spec.scaleTargetRef.kind", "StatefulSet"),
        "there is no StatefulSet web",
    ),
    (
        scaling.scaled_workloads_set_no_replicas,
        plant_defect(WEB, "spec.replicas", 2),
        "Deployment/web: it sets replicas",
    ),
    (
        scaling.other_workloads_set_replicas,
        plant_defect("StatefulSet/store", "spec.replicas", REMOVED),
        "StatefulSet/store: neither replicas nor a scaler",
    ),
    (scaling.a_target_has_one_scaler, correct_release(BY_LAG), "Deployment/web: 2 scalers decide about it"),
    (
        scaling.a_target_has_one_scaler,
        correct_release(renamed_copy(SCALER, name="more")),
        "Deployment/web: 2 scalers",
    ),
    (scaling.scalers_have_a_range, plant_defect(SCALER, "spec.maxReplicas", 1), "at least 2 and at most 1"),
    (
        scaling.scaled_containers_request_the_resource,
        plant_defect(WEB, f"{CONTAINER}.resources.requests.cpu", REMOVED),
        "web requests no cpu",
    ),
    (
        scaling.budgets_select_pods,
        plant_defect(BUDGET, "spec.selector.matchLabels.app", "web"),
        "PodDisruptionBudget/web: it selects no pods",
    ),
    (
        scaling.budgets_let_nodes_drain,
        plant_defect(BUDGET, "spec.maxUnavailable", 0),
        "none of the 2 pods of Deployment/web may be evicted",
    ),
    (
        scaling.budgets_let_nodes_drain,
        plant_defect(BUDGET, "spec", {"minAvailable": 2, "selector": {"matchLabels": {}}}),
        "none of the 2 pods of Deployment/web may be evicted",
    ),
)

"""Defects in scalers and disruption budgets."""

from tests.chart.checks import scaling
from tests.chart.defects import Defect
from tests.chart.planting import CONTAINER, GONE, WEB, another, planted, sound

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
        planted(SCALER, "spec.scaleTargetRef.name", "wbe"),
        "there is no Deployment wbe",
    ),
    (
        scaling.scalers_have_a_target,
        planted(SCALER, "spec.scaleTargetRef.kind", "StatefulSet"),
        "there is no StatefulSet web",
    ),
    (
        scaling.scaled_workloads_set_no_replicas,
        planted(WEB, "spec.replicas", 2),
        "Deployment/web: it sets replicas",
    ),
    (
        scaling.other_workloads_set_replicas,
        planted("StatefulSet/store", "spec.replicas", GONE),
        "StatefulSet/store: neither replicas nor a scaler",
    ),
    (scaling.a_target_has_one_scaler, sound(BY_LAG), "Deployment/web: 2 scalers decide about it"),
    (scaling.a_target_has_one_scaler, sound(another(SCALER, name="more")), "Deployment/web: 2 scalers"),
    (scaling.scalers_have_a_range, planted(SCALER, "spec.maxReplicas", 1), "at least 2 and at most 1"),
    (
        scaling.scaled_containers_request_the_resource,
        planted(WEB, f"{CONTAINER}.resources.requests.cpu", GONE),
        "web requests no cpu",
    ),
    (
        scaling.budgets_select_pods,
        planted(BUDGET, "spec.selector.matchLabels.app", "web"),
        "PodDisruptionBudget/web: it selects no pods",
    ),
    (
        scaling.budgets_let_nodes_drain,
        planted(BUDGET, "spec.maxUnavailable", 0),
        "none of the 2 pods of Deployment/web may be evicted",
    ),
    (
        scaling.budgets_let_nodes_drain,
        planted(BUDGET, "spec", {"minAvailable": 2, "selector": {"matchLabels": {}}}),
        "none of the 2 pods of Deployment/web may be evicted",
    ),
)

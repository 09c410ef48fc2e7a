"""Defects of scalers and disruption budgets."""

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
        scaling.what_is_scaled_names_no_replicas,
        planted(WEB, "spec.replicas", 2),
        "Deployment/web: it names replicas",
    ),
    (
        scaling.what_is_not_scaled_names_replicas,
        planted("StatefulSet/store", "spec.replicas", GONE),
        "StatefulSet/store: neither replicas nor a scaler",
    ),
    (scaling.one_scaler_a_target, sound(BY_LAG), "Deployment/web: 2 scalers decide about it"),
    (scaling.one_scaler_a_target, sound(another(SCALER, name="more")), "Deployment/web: 2 scalers"),
    (scaling.scalers_have_room, planted(SCALER, "spec.maxReplicas", 1), "at least 2 and at most 1"),
    (
        scaling.scaled_by_share_of_a_request,
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
        "of 2 pods of Deployment/web none may go",
    ),
    (
        scaling.budgets_let_nodes_drain,
        planted(BUDGET, "spec", {"minAvailable": 2, "selector": {"matchLabels": {}}}),
        "of 2 pods of Deployment/web none may go",
    ),
)

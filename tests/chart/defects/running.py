"""Defects of how pods run."""

from tests.chart.checks import pods
from tests.chart.defects import Defect
from tests.chart.planting import CONTAINER, GONE, WEB, planted

RESOURCES = f"{CONTAINER}.resources"
POD = "spec.template.spec"

DEFECTS: tuple[Defect, ...] = (
    (
        pods.quantities_are_in_order,
        planted(WEB, f"{RESOURCES}.limits.memory", "256MB"),
        "'256MB' is no quantity",
    ),
    (
        pods.quantities_are_in_order,
        planted(WEB, f"{RESOURCES}.limits.memory", "128M"),
        "it requests 128Mi memory and may have 128M",
    ),
    (pods.quantities_are_in_order, planted(WEB, f"{RESOURCES}.limits.cpu", 0.05), "requests 100m cpu"),
    (
        pods.containers_say_what_they_need,
        planted(WEB, f"{RESOURCES}.requests.cpu", GONE),
        "no cpu in its requests",
    ),
    (
        pods.containers_say_what_they_need,
        planted("Job/setup", RESOURCES, {}),
        "Job/setup, setup: no memory in its limits",
    ),
    (pods.scratch_is_limited, planted(WEB, f"{POD}.volumes.0.emptyDir", {}), "scratch has no limit"),
    (
        pods.what_listens_is_probed,
        planted(WEB, f"{CONTAINER}.readinessProbe", GONE),
        "Deployment/web, web: no readinessProbe",
    ),
    (
        pods.probes_ask_declared_ports,
        planted(WEB, f"{CONTAINER}.livenessProbe", {"grpc": {"port": 9000}}),
        "livenessProbe asks port 9000",
    ),
    (
        pods.probes_ask_declared_ports,
        planted(WEB, f"{CONTAINER}.startupProbe.httpGet.port", "metric"),
        "startupProbe asks port metric",
    ),
    (
        pods.starting_may_take_longer_than_living,
        planted(WEB, f"{CONTAINER}.startupProbe.failureThreshold", 6),
        "only 30 s to start",
    ),
    (
        pods.pods_end_in_time,
        planted(WEB, f"{POD}.terminationGracePeriodSeconds", 25),
        "Deployment/web: 5 s before and 20 s after SIGTERM do not fit into 25 s",
    ),
    (
        pods.pods_end_in_time,
        planted(WEB, f"{CONTAINER}.lifecycle.preStop", {"exec": {"command": ["sh", "-c", "sleep 45"]}}),
        "45 s before and 20 s after SIGTERM do not fit into 60 s",
    ),
    (
        pods.updates_take_no_pod_away_first,
        planted(WEB, "spec.strategy", {"type": "Recreate"}),
        "Deployment/web: maxUnavailable is not 0",
    ),
    (
        pods.what_runs_once_ends,
        planted("Job/setup", f"{POD}.restartPolicy", "Always"),
        "Job/setup: it is started again for ever",
    ),
    (
        pods.what_runs_once_ends,
        planted("Job/setup", f"{POD}.restartPolicy", "OnFailure"),
        "Job/setup: once it has failed for good its log goes with it",
    ),
    (pods.what_runs_once_ends, planted("Job/setup", "spec.activeDeadlineSeconds", GONE), "no deadline"),
)

"""Defects in resources, probes and the end of pods."""

from tests.chart.checks import pods
from tests.chart.defects import Defect
from tests.chart.planting import CONTAINER, GONE, WEB, planted

RESOURCES = f"{CONTAINER}.resources"
POD = "spec.template.spec"

DEFECTS: tuple[Defect, ...] = (
    (
        pods.requests_are_below_limits,
        planted(WEB, f"{RESOURCES}.limits.memory", "256MB"),
        "'256MB' is no quantity",
    ),
    (
        pods.requests_are_below_limits,
        planted(WEB, f"{RESOURCES}.limits.memory", "128M"),
        "it requests 128Mi memory, above the limit 128M",
    ),
    (pods.requests_are_below_limits, planted(WEB, f"{RESOURCES}.limits.cpu", 0.05), "requests 100m cpu"),
    (
        pods.containers_declare_resources,
        planted(WEB, f"{RESOURCES}.requests.cpu", GONE),
        "no cpu in its requests",
    ),
    (
        pods.containers_declare_resources,
        planted("Job/setup", RESOURCES, {}),
        "Job/setup, setup: no memory in its limits",
    ),
    (pods.scratch_is_limited, planted(WEB, f"{POD}.volumes.0.emptyDir", {}), "scratch has no limit"),
    (
        pods.services_are_probed,
        planted(WEB, f"{CONTAINER}.readinessProbe", GONE),
        "Deployment/web, web: no readinessProbe",
    ),
    (
        pods.probes_use_declared_ports,
        planted(WEB, f"{CONTAINER}.livenessProbe", {"grpc": {"port": 9000}}),
        "livenessProbe uses port 9000",
    ),
    (
        pods.probes_use_declared_ports,
        planted(WEB, f"{CONTAINER}.startupProbe.httpGet.port", "metric"),
        "startupProbe uses port metric",
    ),
    (
        pods.startup_is_given_more_time_than_liveness,
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
        pods.updates_start_a_pod_before_they_stop_one,
        planted(WEB, "spec.strategy", {"type": "Recreate"}),
        "Deployment/web: maxUnavailable is not 0",
    ),
    (
        pods.jobs_end,
        planted("Job/setup", f"{POD}.restartPolicy", "Always"),
        "Job/setup: it is restarted for ever",
    ),
    (
        pods.jobs_end,
        planted("Job/setup", f"{POD}.restartPolicy", "OnFailure"),
        "Job/setup: its log is lost after the last failure",
    ),
    (pods.jobs_end, planted("Job/setup", "spec.activeDeadlineSeconds", GONE), "no deadline"),
)

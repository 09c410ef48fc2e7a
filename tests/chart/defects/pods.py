"""Defects in resources, probes and the end of pods."""

from tests.chart.checks import pods
from tests.chart.defects import Defect
from tests.chart.planted_defects import CONTAINER, REMOVED, WEB, plant_defect

RESOURCES = f"{CONTAINER}.resources"
POD = "spec.template.spec"

DEFECTS: tuple[Defect, ...] = (
    (
        pods.requests_are_below_limits,
        plant_defect(WEB, f"{RESOURCES}.limits.memory", "256MB"),
        "'256MB' is no quantity",
    ),
    (
        pods.requests_are_below_limits,
        plant_defect(WEB, f"{RESOURCES}.limits.memory", "128M"),
        "it requests 128Mi memory, above the limit 128M",
    ),
    (pods.requests_are_below_limits, plant_defect(WEB, f"{RESOURCES}.limits.cpu", 0.05), "requests 100m cpu"),
    (
        pods.containers_declare_resources,
        plant_defect(WEB, f"{RESOURCES}.requests.cpu", REMOVED),
        "no cpu in its requests",
    ),
    (
        pods.containers_declare_resources,
        plant_defect("Job/setup", RESOURCES, {}),
        "Job/setup, setup: no memory in its limits",
    ),
    (pods.scratch_is_limited, plant_defect(WEB, f"{POD}.volumes.0.emptyDir", {}), "scratch has no limit"),
    (
        pods.services_are_probed,
        plant_defect(WEB, f"{CONTAINER}.readinessProbe", REMOVED),
        "Deployment/web, web: no readinessProbe",
    ),
    (
        pods.probes_use_declared_ports,
        plant_defect(WEB, f"{CONTAINER}.livenessProbe", {"grpc": {"port": 9000}}),
        "livenessProbe uses port 9000",
    ),
    (
        pods.probes_use_declared_ports,
        plant_defect(WEB, f"{CONTAINER}.startupProbe.httpGet.port", "metric"),
        "startupProbe uses port metric",
    ),
    (
        pods.startup_is_given_more_time_than_liveness,
        plant_defect(WEB, f"{CONTAINER}.startupProbe.failureThreshold", 6),
        "only 30 s to start",
    ),
    (
        pods.pods_end_in_time,
        plant_defect(WEB, f"{POD}.terminationGracePeriodSeconds", 25),
        "Deployment/web: 5 s before and 20 s after SIGTERM do not fit into 25 s",
    ),
    (
        pods.pods_end_in_time,
        plant_defect(WEB, f"{CONTAINER}.lifecycle.preStop", {"exec": {"command": ["sh", "-c", "sleep 45"]}}),
        "45 s before and 20 s after SIGTERM do not fit into 60 s",
    ),
    (
        pods.updates_start_a_pod_before_they_stop_one,
        plant_defect(WEB, "spec.strategy", {"type": "Recreate"}),
        "Deployment/web: maxUnavailable is not 0",
    ),
    (
        pods.jobs_end,
        plant_defect("Job/setup", f"{POD}.restartPolicy", "Always"),
        "Job/setup: it is restarted for ever",
    ),
    (
        pods.jobs_end,
        plant_defect("Job/setup", f"{POD}.restartPolicy", "OnFailure"),
        "Job/setup: its log is lost after the last failure",
    ),
    (pods.jobs_end, plant_defect("Job/setup", "spec.activeDeadlineSeconds", REMOVED), "no deadline"),
)

"""Defects in references between objects."""

from tests.chart.checks import wiring
from tests.chart.defects import Defect
from tests.chart.planted_defects import CONTAINER, REMOVED, WEB, correct_release, plant_defect

TO_NOBODY = {"name": "nobody", "port": {"number": 80}}
TO_NO_PORT = {"name": "web", "port": {"number": 8080}}
BACKEND = "spec.rules.0.http.paths.0.backend.service"

DEFECTS: tuple[Defect, ...] = (
    (
        wiring.selectors_match_their_own_pods,
        plant_defect(WEB, "spec.selector.matchLabels.tier", "front"),
        "the selector does not match its own pods",
    ),
    (
        wiring.selectors_do_not_overlap,
        plant_defect(WEB, "spec.selector.matchLabels", {"app.kubernetes.io/name": "web"}),
        "Deployment/web: the selector matches pods of StatefulSet/store",
    ),
    (
        wiring.services_reach_one_workload,
        plant_defect("Service/web", "spec.selector", {"app.kubernetes.io/name": "web"}),
        "Service/web: it selects Deployment/web, StatefulSet/store, Job/setup",
    ),
    (
        wiring.services_reach_one_workload,
        plant_defect("Service/web", "spec.selector", {"app": "web"}),
        "Service/web: it selects nothing",
    ),
    (
        wiring.services_reach_a_port,
        plant_defect("Service/web", "spec.ports.0.targetPort", "https"),
        "Deployment/web has no port https",
    ),
    (
        wiring.services_reach_a_port,
        plant_defect("Service/store", "spec.ports.0.port", 4223),
        "StatefulSet/store has no port 4223",
    ),
    (
        wiring.services_reach_a_port,
        plant_defect("Service/web", "spec.ports.0.protocol", "UDP"),
        "Deployment/web has no port http",
    ),
    (
        wiring.mounts_and_volumes_agree,
        plant_defect(WEB, f"{CONTAINER}.volumeMounts.0.name", "tmp"),
        "there is no volume tmp",
    ),
    (
        wiring.mounts_and_volumes_agree,
        plant_defect(WEB, f"{CONTAINER}.volumeMounts.0.name", "plans"),
        "nobody mounts the volume scratch",
    ),
    (
        wiring.mounts_and_volumes_agree,
        plant_defect("StatefulSet/store", "spec.volumeClaimTemplates", []),
        "there is no volume data",
    ),
    (
        wiring.mount_paths_are_unique,
        plant_defect(WEB, f"{CONTAINER}.volumeMounts.0.mountPath", "/etc/plans/"),
        "/etc/plans is mounted twice",
    ),
    (
        wiring.statefulsets_have_their_service,
        plant_defect("StatefulSet/store", "spec.serviceName", "stores"),
        "there is no Service stores",
    ),
    (
        wiring.statefulsets_have_their_service,
        plant_defect("Service/store", "spec.clusterIP", REMOVED),
        "its Service store is not headless",
    ),
    (
        wiring.routes_lead_to_a_service,
        plant_defect("Ingress/web", BACKEND, TO_NOBODY),
        "Ingress/web: there is no Service nobody",
    ),
    (
        wiring.routes_lead_to_a_service,
        plant_defect("Ingress/web", BACKEND, TO_NO_PORT),
        "the Service web has no port 8080",
    ),
    (
        wiring.routes_lead_to_a_service,
        correct_release(
            {
                "kind": "HTTPRoute",
                "metadata": {"name": "web"},
                "spec": {"rules": [{"backendRefs": [{"name": "web", "port": 8000}]}]},
            }
        ),
        "HTTPRoute/web: the Service web has no port 8000",
    ),
    (
        wiring.monitors_select_a_service,
        plant_defect("ServiceMonitor/store", "spec.endpoints.0.port", "metrics"),
        "ServiceMonitor/store: no Service has a port named metrics",
    ),
    (
        wiring.monitors_select_a_service,
        plant_defect("ServiceMonitor/store", "spec.selector.matchLabels.app", "store"),
        "it selects no Service",
    ),
    (
        wiring.addresses_lead_to_services,
        plant_defect(WEB, f"{CONTAINER}.env.1.value", "nats://nats.sound.svc:4222"),
        "Deployment/web: there is no Service nats",
    ),
    (
        wiring.addresses_lead_to_services,
        plant_defect(
            "ConfigMap/web", "data", {"routes": "routes: store-0.store.sound.svc.cluster.local:6222"}
        ),
        "ConfigMap/web: the Service store-0.store has no port 6222",
    ),
    (
        wiring.headless_services_keep_ports,
        plant_defect("Service/web", "spec.clusterIP", "None"),
        "Service/web: port 80 is 8000 at Deployment/web",
    ),
)

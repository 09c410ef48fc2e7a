"""Defects in the permissions of pods, and secrets in wrong places."""

from tests.chart.checks import secrets, security
from tests.chart.defects import Defect
from tests.chart.planted_defects import CONTAINER, REMOVED, WEB, correct_release, plant_defect

POD = "spec.template.spec"
CONTEXT = f"{CONTAINER}.securityContext"
HOST_PATH = {"name": "scratch", "hostPath": {"path": "/var"}}
IN_PLAIN = {"name": "WEB_SECRET", "value": "sesame"}
IN_URL = {"name": "WEB_URL", "value": "postgresql://web:sesame@postgres/web"}
ROLE = {"kind": "Role", "metadata": {"name": "web"}, "rules": []}
INIT = {"name": "first", "image": "first:1"}
IMAGE = f"{CONTAINER}.image"

DEFECTS: tuple[Defect, ...] = (
    (
        security.pods_are_restricted,
        plant_defect(WEB, f"{POD}.hostNetwork", True),
        "Deployment/web: hostNetwork",
    ),
    (security.pods_are_restricted, plant_defect(WEB, f"{POD}.hostPID", True), "hostPID"),
    (
        security.pods_are_restricted,
        plant_defect(WEB, f"{POD}.volumes.0", HOST_PATH),
        "a volume scratch of hostPath",
    ),
    (
        security.pods_are_restricted,
        plant_defect(WEB, f"{POD}.securityContext.sysctls", [{"name": "kernel.msgmax", "value": "1"}]),
        "sysctls",
    ),
    (
        security.containers_are_restricted,
        plant_defect(WEB, f"{POD}.securityContext.runAsNonRoot", REMOVED),
        "Deployment/web, web: runAsNonRoot is not set",
    ),
    (security.containers_are_restricted, plant_defect(WEB, f"{CONTEXT}.runAsUser", 0), "it runs as root"),
    (
        security.containers_are_restricted,
        plant_defect("Job/setup", f"{POD}.securityContext.seccompProfile.type", "Unconfined"),
        "Job/setup, setup: no seccomp profile",
    ),
    (
        security.containers_are_restricted,
        plant_defect(WEB, f"{CONTEXT}.allowPrivilegeEscalation", REMOVED),
        "allowPrivilegeEscalation is not off",
    ),
    (
        security.containers_are_restricted,
        plant_defect(WEB, f"{CONTEXT}.capabilities", REMOVED),
        "keeps capabilities",
    ),
    (
        security.containers_are_restricted,
        plant_defect(WEB, f"{CONTEXT}.capabilities.add", ["SYS_ADMIN"]),
        "it adds capabilities",
    ),
    (
        security.containers_are_restricted,
        plant_defect(WEB, f"{CONTEXT}.privileged", True),
        "it is privileged",
    ),
    (
        security.containers_are_restricted,
        plant_defect(WEB, f"{CONTEXT}.procMount", "Unmasked"),
        "all of /proc",
    ),
    (
        security.containers_are_restricted,
        plant_defect(WEB, f"{CONTAINER}.ports.0.hostPort", 80),
        "a port of the node",
    ),
    (
        security.containers_are_restricted,
        plant_defect(WEB, f"{POD}.initContainers", [INIT]),
        "Deployment/web, first: allowPrivilegeEscalation",
    ),
    (
        security.roots_are_read_only,
        plant_defect(WEB, f"{CONTEXT}.readOnlyRootFilesystem", False),
        "its root file system is writable",
    ),
    (
        security.pods_get_no_token,
        plant_defect(WEB, f"{POD}.automountServiceAccountToken", REMOVED),
        "Deployment/web: it gets a token",
    ),
    (
        security.pods_get_no_token,
        plant_defect(WEB, f"{POD}.serviceAccountName", REMOVED),
        "the account default",
    ),
    (
        security.pods_get_no_token,
        plant_defect("ServiceAccount/web", "automountServiceAccountToken", REMOVED),
        "ServiceAccount/web: its pods get a token",
    ),
    (
        security.service_links_are_off,
        plant_defect(WEB, f"{POD}.enableServiceLinks", REMOVED),
        "Deployment/web: enableServiceLinks is on",
    ),
    (
        security.nothing_requests_permissions,
        correct_release(ROLE),
        "Role/web: Loupe needs no access to the Kubernetes API",
    ),
    (
        security.images_are_pinned,
        plant_defect(WEB, IMAGE, "localhost:5000/web"),
        "has neither tag nor digest",
    ),
    (security.images_are_pinned, plant_defect(WEB, IMAGE, "web:latest"), "web:latest changes without notice"),
    (security.images_are_pinned, plant_defect(WEB, IMAGE, "web@1.0"), "1.0 is no digest"),
    (security.images_are_pinned, plant_defect(WEB, IMAGE, "example.com//web:1"), "is no image"),
    (
        secrets.secret_variables_come_from_secrets,
        plant_defect(WEB, f"{CONTAINER}.env.0", IN_PLAIN),
        "WEB_SECRET is written in plain text",
    ),
    (
        secrets.secret_variables_come_from_secrets,
        plant_defect(WEB, f"{CONTAINER}.env.1", IN_URL),
        "WEB_URL holds a password",
    ),
    (
        secrets.maps_hold_no_secrets,
        plant_defect("ConfigMap/web", "data", {"web.conf": "url = nats://web:sesame@nats:4222"}),
        "ConfigMap/web: web.conf holds a password",
    ),
    (
        secrets.secrets_are_nowhere_else,
        plant_defect("Job/setup", f"{CONTAINER}.args.1", "nobody-guesses-this-one"),
        "Job/setup: a value of Secret/web",
    ),
    (
        secrets.secrets_are_nowhere_else,
        plant_defect("ConfigMap/web", "data", {"web.conf": "key = nobody-guesses-this-one"}),
        "ConfigMap/web: a value of Secret/web",
    ),
    (
        secrets.secrets_are_no_defaults,
        plant_defect("Secret/web", "stringData", {"secret": "loupe"}),
        "Secret/web: secret has 5 characters",
    ),
    (
        secrets.names_in_values_are_known,
        plant_defect(WEB, f"{CONTAINER}.env.0.name", "SECRET"),
        "WEB_DATABASE_URL uses WEB_SECRET",
    ),
    (
        secrets.names_in_values_are_known,
        plant_defect("Job/setup", f"{CONTAINER}.env", []),
        "its command uses SETUP_NAME",
    ),
)

"""Pods meet the restricted standard, and more: read-only root, no token, no service links."""

from collections.abc import Iterator

from tests.chart.objects import Object, Pod, Release, called

VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}
PROFILES = ("RuntimeDefault", "Localhost")


def pods_are_restricted(release: Release) -> Iterator[str]:
    for pod in release.pods:
        yield from (
            f"{pod}: {field}" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field)
        )
        if pod.spec.get("securityContext", {}).get("sysctls"):
            yield f"{pod}: sysctls"
        for volume in pod.spec.get("volumes", []):
            for kind in volume.keys() - VOLUMES - {"name"}:
                yield f"{pod}: a volume {volume['name']} of {kind}"
        if pod.spec.get("hostUsers") is True:
            yield f"{pod}: hostUsers"


def containers_are_restricted(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            for problem in _problems(pod, container):
                yield f"{pod}, {container['name']}: {problem}"


def roots_are_read_only(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{pod}, {container['name']}: its root file system is writable"


def pods_get_no_token(release: Release) -> Iterator[str]:
    for pod in release.pods:
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod}: it gets a token"
        if pod.spec.get("serviceAccountName", "default") == "default":
            yield f"{pod}: it uses the account default"
    for account in release.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"{called(account)}: its pods get a token"


def service_links_are_off(release: Release) -> Iterator[str]:
    """With service links Kubernetes would set AUTH_PORT=tcp://… in every container."""
    for pod in release.pods:
        if pod.spec.get("enableServiceLinks") is not False:
            yield f"{pod}: enableServiceLinks is on"


def nothing_requests_permissions(release: Release) -> Iterator[str]:
    for one in release.of("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        yield f"{called(one)}: Loupe needs no access to the Kubernetes API"


def images_are_pinned(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for container in pod.containers:
            image: str = container["image"]
            repository, _, digest = image.partition("@")
            _, _, tag = repository.rpartition("/")[2].partition(":")
            if not tag and not digest:
                yield f"{pod}, {container['name']}: {image} has neither tag nor digest"
            if tag == "latest":
                yield f"{pod}, {container['name']}: {image} changes without notice"
            if digest and not digest.startswith("sha256:"):
                yield f"{pod}, {container['name']}: {digest} is no digest"
            if image != image.strip() or "//" in image:
                yield f"{pod}, {container['name']}: {image!r} is no image"


def _problems(pod: Pod, container: Object) -> Iterator[str]:
    whole: Object = pod.spec.get("securityContext", {})
    own: Object = container.get("securityContext", {})
    both = {**whole, **own}
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not set"
    if both.get("runAsUser", 1) == 0:
        yield "it runs as root"
    if both.get("seccompProfile", {}).get("type") not in PROFILES:
        yield "no seccomp profile"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not off"
    if "ALL" not in own.get("capabilities", {}).get("drop", []):
        yield "it keeps capabilities"
    if set(own.get("capabilities", {}).get("add", [])) - {"NET_BIND_SERVICE"}:
        yield "it adds capabilities"
    if own.get("privileged"):
        yield "it is privileged"
    if own.get("procMount", "Default") != "Default":
        yield "it can read all of /proc"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "a port of the node"


CHECKS = (
    pods_are_restricted,
    containers_are_restricted,
    roots_are_read_only,
    pods_get_no_token,
    service_links_are_off,
    nothing_requests_permissions,
    images_are_pinned,
)

"""Every ConfigMap, Secret, claim and account that an object names exists, with the named keys."""

from collections.abc import Iterator

from tests.chart.objects import Object, Pod, Release, called, found, is_hook

Reference = tuple[str, str, str | None]
"""Kind, name and, if one is named, a key."""


def references_exist(release: Release) -> Iterator[str]:
    for pod in release.pods:
        for kind, name, key in references(pod):
            if name in release.given:
                continue
            target = release.find(kind, name) or (
                _by_cert_manager(release, name) if kind == "Secret" else None
            )
            if target is None:
                yield f"{pod}: there is no {kind} {name}"
            elif key is not None and key not in keys(target):
                yield f"{pod}: the {kind} {name} has no key {key}"


def hooks_need_only_earlier_objects(release: Release) -> Iterator[str]:
    """An object that a `pre-install` hook names must be an earlier hook: Helm creates all others later."""
    for pod in release.pods:
        if "pre-install" not in phases(pod.owner):
            continue
        for kind, name, _ in references(pod):
            target = release.find(kind, name)
            if target is not None and (
                "pre-install" not in phases(target) or weight(target) >= weight(pod.owner)
            ):
                yield f"{pod}: it runs before {kind} {name} is created"


def tls_secrets_exist(release: Release) -> Iterator[str]:
    """Every TLS Secret is given, rendered here, or created by cert-manager because of an annotation."""
    for one in release.of("Ingress"):
        is_requested = any("cert-manager.io/" in key for key in one["metadata"].get("annotations") or {})
        for name in found(one["spec"], "secretName"):
            is_made = release.find("Secret", name) or _by_cert_manager(release, name)
            if not (is_requested or is_made or name in release.given):
                yield f"{called(one)}: there is no Secret {name}"


def nothing_is_unused(release: Release) -> Iterator[str]:
    named = {(kind, name) for pod in release.pods for kind, name, _ in references(pod)}
    elsewhere = {name for one in release.of("Ingress", "TriggerAuthentication") for name in _names(one)}
    for one in release.of("ConfigMap", "Secret", "ServiceAccount", "PersistentVolumeClaim"):
        labels = one["metadata"].get("labels") or {}
        for_others = "grafana_dashboard" in labels or one["metadata"]["name"] in elsewhere
        if (one["kind"], one["metadata"]["name"]) not in named and not for_others:
            yield f"{called(one)}: nobody uses it"


def references(pod: Pod) -> Iterator[Reference]:
    if account := pod.spec.get("serviceAccountName"):
        yield "ServiceAccount", account, None
    for secret in pod.spec.get("imagePullSecrets", []):
        yield "Secret", secret["name"], None
    for container in pod.containers:
        yield from _of_container(container)
    for volume in pod.spec.get("volumes", []):
        yield from _of_volume(volume)
        for source in volume.get("projected", {}).get("sources", []):
            yield from _of_volume(source)


def keys(target: Object) -> set[str]:
    return {key for where in ("data", "stringData", "binaryData") for key in target.get(where) or {}}


def phases(one: Object) -> list[str]:
    hook = (one["metadata"].get("annotations") or {}).get("helm.sh/hook", "")
    return [phase.strip() for phase in hook.split(",")] if is_hook(one) else []


def weight(one: Object) -> int:
    return int((one["metadata"].get("annotations") or {}).get("helm.sh/hook-weight", "0"))


def _by_cert_manager(release: Release, name: str) -> Object | None:
    """Return the Secret that cert-manager will create, if a Certificate names it."""
    is_created = any(one["spec"]["secretName"] == name for one in release.of("Certificate"))
    return {"data": dict.fromkeys(("tls.crt", "tls.key", "ca.crt"))} if is_created else None


def _of_container(container: Object) -> Iterator[Reference]:
    for source in container.get("envFrom", []):
        for field, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if field in source:
                yield kind, source[field]["name"], None
    for variable in container.get("env", []):
        source = variable.get("valueFrom", {})
        for field, kind in (("configMapKeyRef", "ConfigMap"), ("secretKeyRef", "Secret")):
            if field in source and not source[field].get("optional"):
                yield kind, source[field]["name"], source[field]["key"]


def _of_volume(volume: Object) -> Iterator[Reference]:
    for field, kind, name in (("configMap", "ConfigMap", "name"), ("secret", "Secret", "secretName")):
        if field in volume:
            target = volume[field].get(name) or volume[field]["name"]
            yield kind, target, None
            yield from ((kind, target, item["key"]) for item in volume[field].get("items", []))
    if "persistentVolumeClaim" in volume:
        yield "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"], None


def _names(one: Object) -> Iterator[str]:
    yield from found(one, "secretName")
    yield from (reference["name"] for references in found(one, "secretTargetRef") for reference in references)


CHECKS = (
    references_exist,
    hooks_need_only_earlier_objects,
    tls_secrets_exist,
    nothing_is_unused,
)

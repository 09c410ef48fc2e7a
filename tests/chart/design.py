"""The connections that the design allows: which part of the system calls which, and on which port."""

from ipaddress import ip_network

from loupe_local.service_names import NAMES, WITH_DATABASE
from tests.chart.connections import Connection, Endpoint, is_peer
from tests.chart.objects import Object, Release, found

PORTS = {
    "gateway": "8000",
    **dict.fromkeys(WITH_DATABASE, "9000"),  # the services that others call
    "postgresql": "5432",
    "nats": "4222",
    "object-store": "8333",
}
CALLS = {
    "gateway": {"auth", "billing", "images", "outbound", "nats"},
    "auth": {"postgresql", "nats"},
    "billing": {"auth", "postgresql", "nats"},
    "images": {"auth", "billing", "outbound", "postgresql", "nats", "object-store"},
    "inference": {"auth", "images", "nats", "object-store"},
    "outbound": {"auth", "images", "postgresql", "nats"},
    "operator": {"auth", "billing", "images", "outbound"},
    **{f"migrate-{name}": {"postgresql"} for name in WITH_DATABASE},
    **{name: {"postgresql", "object-store", "bucket"} for name in ("backup", "restore")},
    "test": {"gateway", "auth", "billing", "images", "outbound", "object-store"},
}
CALLS_NOBODY = ("postgresql", "object-store")
"""Components that call nobody, and therefore need no DNS."""
METRICS = {**dict.fromkeys(NAMES, ("9090",)), "inference": ("9090", "8002")}
NEIGHBOURS = {"prometheus": "monitoring", "keda": "keda", "stranger": "elsewhere", "dns": "kube-system"}
"""Pods outside the release, with their namespaces."""
WORLD = {"world": "203.0.113.9"}
STRANGE = "31337"
VALUES = {"object-store": "objectStore", "bucket": "backup"}
"""The keys of peers in the values, if they have other names."""
DNS = {"dns": ("53", "53/UDP")}


def outside(release: Release) -> list[Endpoint]:
    """Return pods and addresses outside the release.

    They listen on every port that the release calls, and on one more.
    """
    world = map(str, release.values["networkPolicy"]["world"]["ports"])
    wanted = tuple(sorted({*external_ports(release.values).values(), *world, STRANGE}))
    networks = sorted({one["cidr"] for one in found(release.values["networkPolicy"], "ipBlock")})
    addresses = {name: str(ip_network(name)[-1]) for name in networks} | WORLD
    namespaces = NEIGHBOURS | {"neighbour": release.namespace}
    return [
        *(
            Endpoint(
                name=name, namespace=namespace, labels={"app": name}, ports=(*wanted, *DNS.get(name, ()))
            )
            for name, namespace in namespaces.items()
        ),
        *(Endpoint(name=name, ip=ip, labels={}, ports=wanted) for name, ip in addresses.items()),
    ]


def external_ports(values: Object) -> dict[str, str]:
    """Return the ports of external stores, the mail server and the trace collector, by name."""
    ports: dict[str, str] = {}
    for key, name in (("postgresql", "postgresql"), ("nats", "nats"), ("objectStore", "object-store")):
        if values[key]["mode"] == "external":
            external = values[key]["external"]
            ports[name] = str(external["port"]) if "port" in external else port_of(external["endpoint"])
    if values["auth"]["smtp"]["host"]:
        ports["smtp"] = str(values["auth"]["smtp"]["port"])
    if values["backup"]["enabled"] or values["backup"]["restore"]:
        ports["bucket"] = port_of(values["backup"]["s3"]["endpoint"])
    if values["tracing"]["endpoint"]:
        ports["tracing"] = port_of(values["tracing"]["endpoint"])
    return ports


def expected(release: Release) -> set[Connection]:
    """Return every connection that the policies must allow for this release."""
    here = {pod.component for pod in release.pods}
    within = {connection for source in here for connection in _inner_connections(source, here)}
    leaving = {connection for source in here for connection in _outgoing_connections(release, source)}
    metrics = {
        (source, name, port)
        for name in here
        for port in METRICS.get(name, ())
        for source in _selected_outside(release, release.values["networkPolicy"]["monitoring"])
    }
    return (
        within
        | leaving
        | metrics
        | _world_connections(release, here)
        | _client_connections(release)
        | _scaler_connections(release)
    )


def _inner_connections(source: str, here: set[str]) -> set[Connection]:
    cluster = {("nats", "nats", "6222")} if source == "nats" else set()
    return {(source, name, PORTS[name]) for name in CALLS.get(source, set()) & here} | cluster


def _outgoing_connections(release: Release, source: str) -> set[Connection]:
    ports, policy = external_ports(release.values), release.values["networkPolicy"]
    calls = CALLS.get(source, set()) | ({"tracing"} if source in NAMES else set())
    calls |= {"smtp"} if source == "auth" else set()
    peers = {name: policy["external"][VALUES.get(name, name)] for name in ports}
    names = () if source in CALLS_NOBODY else _selected_outside(release, policy["dns"])
    to_names = {(source, endpoint, port) for endpoint in names for port in DNS.get(endpoint, ())}
    return to_names | {
        (source, endpoint, ports[name])
        for name in calls & ports.keys()
        for endpoint in _selected_outside(release, peers[name])
    }


def _client_connections(release: Release) -> set[Connection]:
    """Clients call the gateway, and download from the object store if it is published."""
    store = release.values["objectStore"]
    is_published = store["mode"] == "bundled" and store["bundled"]["host"]
    published = ("gateway", "object-store") if is_published else ("gateway",)
    clients = _selected_outside(release, release.values["networkPolicy"]["clients"])
    return {(source, name, PORTS[name]) for source in clients for name in published}


def _world_connections(release: Release, here: set[str]) -> set[Connection]:
    """Outbound calls the addresses of users, which are neither in the cluster nor at metadata services."""
    world = release.values["networkPolicy"]["world"]
    peers = [{"ipBlock": each} for each in world["networks"]]
    names = _selected_outside(release, peers) if "outbound" in here else []
    return {("outbound", name, str(port)) for name in names for port in world["ports"]}


def _scaler_connections(release: Release) -> set[Connection]:
    """KEDA reads the amount of waiting work."""
    keda = release.values["inference"]["keda"]
    source_of_metric = {"queued-work": ("images", "9090"), "consumer-lag": ("nats", "8222")}[keda["trigger"]]
    is_here = source_of_metric[0] in {pod.component for pod in release.pods}
    scalers = (
        _selected_outside(release, release.values["networkPolicy"]["keda"])
        if keda["enabled"] and is_here
        else ()
    )
    return {(source, *source_of_metric) for source in scalers}


def _selected_outside(release: Release, peers: list[Object]) -> list[str]:
    """Return the names of the endpoints outside the release that these peers select."""
    return [endpoint.name for endpoint in outside(release) if is_peer(release, peers, endpoint)]


def port_of(endpoint: str) -> str:
    scheme, _, rest = endpoint.partition("://")
    return rest.partition("/")[0].partition(":")[2] or ("443" if scheme == "https" else "80")

"""Values that the chart refuses, and a part of the message for each."""

from typing import Any

Row = tuple[dict[str, Any], str]

PUBLISHED = {"ingress": {"enabled": True, "host": "loupe.example.com", "tls": {"issuer": "letsencrypt"}}}
ROUTED = {"httpRoute": {"enabled": True, "host": "loupe.example.com", "parentRefs": [{"name": "public"}]}}
PUBLISHED_STORE = {"publicEndpoint": "https://files.example.com"}

BY_PLATFORM = {"endpoint": "https://s3.example.com", "platformCredentials": True}
ENGINES = {
    "profile": "gpu",
    "rollout": {"maxSurge": 0, "maxUnavailable": 1},
    "engines": {"persistent": True, "accessMode": "ReadWriteOnce"},
}


def merged_tls(**more: Any) -> dict[str, Any]:
    """Return values for a published API with more than one certificate."""
    tls = {"issuer": "letsencrypt", **more}
    return {"ingress": {"enabled": True, "host": "loupe.example.com", "tls": tls}}


def external(**stores: Any) -> dict[str, Any]:
    """Return values for an external store that lack something."""
    return {name: {"mode": "external", **given} for name, given in stores.items()}


TLS_NATS = {"host": "nats.example.com", "clientTls": {"existingSecrets": {"gateway": "own"}}}
BACKUP = {"endpoint": "https://s3.example.com", "bucket": "backups"}
EXTERNAL = external(
    postgresql={"existingSecret": "given", "external": {"host": "postgres.example.com"}},
    objectStore={"existingSecret": "given", "external": {"endpoint": "https://s3.example.com"}},
)

OF_THE_SCHEMA: tuple[Row, ...] = (
    ({"gatewya": {}}, "'gatewya' not allowed"),
    ({"gateway": {"replica": 2}}, "'replica' not allowed"),
    ({"gateway": {"replicas": "two"}}, "/gateway/replicas': got string, want integer"),
    ({"gateway": {"replicas": -1}}, "/gateway/replicas': minimum: got -1, want 0"),
    ({"gateway": {"autoscaling": {"cpuPercent": 0}}}, "/gateway/autoscaling/cpuPercent': minimum"),
    ({"gateway": {"service": {"type": "LoadBlancer"}}}, "/gateway/service/type': value must be one of"),
    ({"gateway": {"service": {"port": 70000}}}, "/gateway/service/port': maximum"),
    ({"gateway": {"settings": {"head_second": 5}}}, "'head_second' not allowed"),
    ({"gateway": {"settings": {"head_seconds": [5]}}}, "/gateway/settings/head_seconds': got array"),
    ({"gateway": {"trustedProxies": ["proxy.example.com"]}}, "/gateway/trustedProxies/0': "),
    ({"gateway": {"resources": {"limits": {"memory": "1 GB"}}}}, "/gateway/resources/limits/memory': "),
    (
        {"gateway": {"image": {"digest": "sha256:short"}}},
        "/gateway/image/digest': 'sha256:short' does not match",
    ),
    ({"gateway": {"extraEnv": {"A": "b"}}}, "/gateway/extraEnv': got object, want array"),
    ({"gateway": {"podLabels": {"team": 1}}}, "/gateway/podLabels/team': got number, want string"),
    ({"image": {"tag": "1.0 beta"}}, "/image/tag': '1.0 beta' does not match"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy': value must be one of"),
    ({"image": {"registry": "https://registry.example.com"}}, "/image/registry': "),
    ({"logLevel": "LOUD"}, "/logLevel': value must be one of"),
    ({"publicUrl": "loupe.example.com"}, "/publicUrl': 'loupe.example.com' does not match"),
    ({"publicUrl": "https://loupe.example.com/api"}, "/publicUrl': "),
    ({"useHelmHooks": "no"}, "/useHelmHooks': got string, want boolean"),
    ({"inference": {"profile": "tpu"}}, "/inference/profile': value must be one of"),
    ({"inference": {"keda": {"trigger": "moon"}}}, "/inference/keda/trigger': value must be one of"),
    ({"postgresql": {"mode": "internal"}}, "/postgresql/mode': value must be one of"),
    ({"nats": {"bundled": {"replicas": 2}}}, "/nats/bundled/replicas': "),
    ({"objectStore": {"bucket": "Loupe"}}, "/objectStore/bucket': 'Loupe' does not match"),
    ({"ingress": {"host": "https://loupe.example.com"}}, "/ingress/host': "),
    ({"backup": {"restore": "yesterday"}}, "/backup/restore': 'yesterday' does not match"),
    ({"global": {"ipFamilies": ["IPv7"]}}, "/global/ipFamilies/0': value must be one of"),
    ({"tracing": {"endpoint": "collector:4318"}}, "/tracing/endpoint': "),
    ({"mtls": {"certManager": {"duration": "90 days"}}}, "/mtls/certManager/duration': "),
    ({"priorityClasses": [{"name": "high"}]}, "/priorityClasses/0': missing property 'value'"),
)

OF_THE_TEMPLATES: tuple[Row, ...] = (
    ({**PUBLISHED, **ROUTED}, "ingress.enabled and httpRoute.enabled would both publish the API"),
    (
        external(
            objectStore={
                "existingSecret": "given",
                "external": {"endpoint": "https://s3.example.com"},
                "bundled": {"host": "files.example.com"},
            }
        ),
        "objectStore.bundled.host publishes the store in the cluster",
    ),
    (
        {"objectStore": {"bundled": {"host": "files.example.com"}}},
        "objectStore.bundled.host needs ingress.enabled or httpRoute.enabled",
    ),
    (PUBLISHED, "The API is published, but the object store is not"),
    ({"inference": {"engines": {"persistent": True}}}, "only inference.profile=gpu has such engines"),
    (
        {"inference": {"ownModels": {"existingClaim": "mine", "s3": {"bucket": "mine"}}}},
        "inference.ownModels names several sources",
    ),
    (
        {"inference": {"profile": "gpu", "ownModels": {"existingClaim": "mine"}}},
        "inference.ownModels has no engines for a GPU yet",
    ),
    (
        {"images": {"autoscaling": {"enabled": True, "minReplicas": 9, "maxReplicas": 2}}},
        "images.autoscaling: minReplicas is above maxReplicas",
    ),
    (
        {"auth": {"autoscaling": {"enabled": True, "minReplicas": 0}}},
        "auth.autoscaling: minReplicas=0 is impossible",
    ),
    (
        {"billing": {"rollout": {"maxSurge": 0, "maxUnavailable": 0}}},
        "billing.rollout: maxSurge and maxUnavailable are both 0",
    ),
    (
        {"inference": {"keda": {"enabled": True, "minReplicas": 9, "maxReplicas": 2}}},
        "inference.keda: minReplicas is above maxReplicas",
    ),
    (
        {"inference": {"keda": {"enabled": True}, "autoscaling": {"enabled": True}}},
        "inference.autoscaling and inference.keda cannot both decide",
    ),
    (
        {"auth": {"emailVerification": True}},
        "auth.emailVerification=true needs a mail server: set auth.smtp.host",
    ),
    (
        {"auth": {"smtp": {"host": "smtp.example.com", "user": "loupe"}}},
        "auth.smtp.user needs auth.smtp.existingSecret",
    ),
    (
        {"ingress": {"enabled": True, "host": "loupe.example.com"}, "objectStore": PUBLISHED_STORE},
        "ingress.tls.enabled needs a certificate",
    ),
    (
        {"ingress": {"enabled": True, "tls": {"issuer": "letsencrypt"}}, "objectStore": PUBLISHED_STORE},
        "ingress.enabled needs ingress.host",
    ),
    (
        {"httpRoute": {"enabled": True, "host": "loupe.example.com"}, "objectStore": PUBLISHED_STORE},
        "httpRoute.enabled needs a Gateway",
    ),
    (
        {"httpRoute": {"enabled": True, "parentRefs": [{"name": "public"}]}, "objectStore": PUBLISHED_STORE},
        "httpRoute.enabled needs httpRoute.host",
    ),
    (
        {
            "httpRoute": {
                "enabled": True,
                "host": "loupe.example.com",
                "gateway": {"create": True, "className": "envoy"},
            },
            "objectStore": PUBLISHED_STORE,
        },
        "httpRoute.gateway.create with TLS needs a certificate",
    ),
    (
        {
            "httpRoute": {
                "enabled": True,
                "host": "loupe.example.com",
                "gateway": {"create": True, "issuer": "letsencrypt"},
            },
            "objectStore": PUBLISHED_STORE,
        },
        "httpRoute.gateway.create needs httpRoute.gateway.className",
    ),
    ({"mtls": {"enabled": True}}, "mtls.enabled needs mtls.certManager.issuerRef.name"),
    (
        external(postgresql={"existingSecret": "given"}),
        "postgresql.mode=external needs postgresql.external.host",
    ),
    (
        external(postgresql={"external": {"host": "postgres.example.com"}}),
        "postgresql.mode=external needs the password of the role of auth",
    ),
    (
        external(nats={"external": {"host": "nats.example.com"}}),
        "nats.mode=external needs nats.existingSecret",
    ),
    (external(nats={"existingSecret": "given"}), "nats.mode=external needs nats.external.host"),
    (
        external(objectStore={"existingSecret": "given"}),
        "objectStore.mode=external needs objectStore.external.endpoint",
    ),
    (
        external(objectStore={"external": {"endpoint": "https://s3.example.com"}}),
        "objectStore.mode=external needs the keys of",
    ),
    (
        {
            **external(nats={"existingSecret": "given", "external": {"host": "nats.example.com"}}),
            "inference": {"keda": {"enabled": True, "trigger": "consumer-lag"}},
        },
        "inference.keda.trigger=consumer-lag needs nats.external.monitor",
    ),
    (
        {**merged_tls(existingSecret="given"), "objectStore": PUBLISHED_STORE},
        "ingress.tls.issuer and ingress.tls.existingSecret each say where the certificate comes from",
    ),
    (
        {**merged_tls(atLoadBalancer=True), "objectStore": PUBLISHED_STORE},
        "ingress.tls.atLoadBalancer and ingress.tls.issuer each say where the certificate comes from",
    ),
    (
        {"gateway": {"preStopSeconds": 60, "terminationGracePeriodSeconds": 60}},
        "gateway.preStopSeconds leaves nothing of gateway.terminationGracePeriodSeconds",
    ),
    (
        {"inference": {**ENGINES, "replicas": 3}},
        "inference.engines is a volume that only one node can use",
    ),
    (
        {"inference": {**ENGINES, "rollout": {"maxSurge": 1, "maxUnavailable": 0}}},
        "inference.engines is a volume that only one node can use",
    ),
    (
        {"objectStore": {"external": {"platformCredentials": True}}},
        "objectStore.external.platformCredentials needs objectStore.mode=external",
    ),
    (
        external(objectStore={"existingSecret": "given", "external": BY_PLATFORM}),
        "objectStore.external.platformCredentials and an existingSecret of objectStore both say",
    ),
    (
        external(
            nats={
                "existingSecret": "given",
                "external": {"host": "nats.example.com", "credentials": {"existingSecret": "creds"}},
            }
        ),
        "nats.existingSecret and nats.external.credentials.existingSecret both say how services log in",
    ),
    (
        external(nats={"external": {**TLS_NATS, "tls": False}}),
        "nats.external.clientTls needs nats.external.tls=true",
    ),
    (external(nats={"external": TLS_NATS}), "auth has no login at the external NATS: name its certificate"),
    ({"global": {"ipFamilies": ["IPv6", "IPv4"]}}, "global.ipFamilies names two families"),
    ({**EXTERNAL, "backup": {"enabled": True}}, "backup saves the stores in the cluster"),
    ({"backup": {"enabled": True}}, "backup needs backup.s3.endpoint and backup.s3.bucket"),
    ({"backup": {"enabled": True, "s3": BACKUP}}, "backup needs keys for its bucket"),
    (
        {"backup": {"restore": "latest", "s3": {**BACKUP, "existingSecret": "given"}}},
        "backup.restore replaces the databases, so no service may run",
    ),
    ({"useHelmHooks": False}, "would generate new secrets each time"),
)

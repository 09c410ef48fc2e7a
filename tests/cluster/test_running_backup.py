"""The commands of docs/backup.md: a backup in a bucket elsewhere is restored in another namespace."""

import json
from collections.abc import Generator
from typing import Any

import pytest

from tests.chart.installation import Installation
from tests.cluster.fixtures import Cluster
from tests.cluster.running import Live
from tests.cluster.test_running_day import size_of_result, upscale
from tests.cluster.visitor import pod, service

BUCKET = "elsewhere"
KEYS = {"access-key": "backup", "secret-key": "b" * 40}
IDENTITY = {
    "name": "backup",
    "credentials": [{"accessKey": KEYS["access-key"], "secretKey": KEYS["secret-key"]}],
    "actions": ["Admin"],
}
SERVE = """
printf '%s' "$IDENTITIES" > /tmp/s3.json
exec weed mini -dir=/tmp -bucket=backups -s3.config=/tmp/s3.json -ip.bind=0.0.0.0 -webdav=false
"""


@pytest.fixture
def backup(live: Live) -> Generator[dict[str, Any]]:
    """Start a store in the visitor's namespace, and yield the values that send backups there."""
    outside = live.visitor.space
    image = live.space.get("StatefulSet", "loupe-object-store")["spec"]["template"]["spec"]["containers"][0]
    env = [{"name": "IDENTITIES", "value": json.dumps({"identities": [IDENTITY]})}]
    ready = {"tcpSocket": {"port": 8333}}
    command = ["sh", "-c", SERVE]
    outside.put(
        pod(BUCKET, {"app": BUCKET}, image=image["image"], command=command, env=env, readinessProbe=ready),
        service(BUCKET, 8333),
    )
    outside.kubectl("wait", "pod", BUCKET, "--for=condition=Ready", "--timeout=300s")
    endpoint = f"http://{BUCKET}.{outside.namespace}.svc:8333"
    s3 = {"endpoint": endpoint, "bucket": "backups", "existingSecret": "backup-keys"}
    yield {"backup": {"enabled": True, "schedule": "17 2 * * *", "scratchSize": "1Gi", "s3": s3}}
    outside.kubectl("delete", "pod", BUCKET, "--grace-period=1")


def to_keep(credentials: dict[str, str]) -> list[str]:
    """Return the keys that a restore needs. The previous ones exist while a secret is being changed."""
    named = ("secret", "webhooks", "previous-secret", "previous-webhooks")
    return [name for name in named if name in credentials]


async def test_a_backup_is_restored_in_another_namespace(
    live: Live, cluster: Cluster, backup: dict[str, Any]
) -> None:
    async with live.client() as jane:
        token = jane.headers["Authorization"].removeprefix("Bearer ")
        image = await upscale(jane)
    live.space.make_secret("backup-keys", KEYS)
    live.upgrade(**backup)
    live.space.kubectl("create", "job", "backup-now", "--from=cronjob/loupe-backup")
    live.space.kubectl("wait", "job/backup-now", "--for=condition=Complete", "--timeout=600s")
    kept = live.installation.secrets()["loupe-auth-credentials"]

    with cluster.space() as space:
        restored = Live(space, Installation(space, live.installation.major), live.visitor)
        space.make_secret("backup-keys", KEYS)
        space.make_secret("loupe-auth-credentials", {key: kept[key] for key in ("secret", "webhooks")})
        restored.install(paused=True, backup=backup["backup"] | {"restore": "latest"})
        log = space.kubectl("logs", "job/loupe-restore", "--all-containers")
        restored.upgrade(**backup)

        async with restored.client(token) as jane:
            size = await size_of_result(restored, jane, image)
            await upscale(jane)
        missing = restored.admin("objects", "check")

    assert "restored the database auth" in log
    assert size == (32, 32)
    assert "Images with a missing object: 0." in missing

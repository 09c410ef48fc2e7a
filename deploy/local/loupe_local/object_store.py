"""SeaweedFS as the S3 server, with one bucket and one identity for each service that stores objects.

We set every port and address: the defaults of SeaweedFS are fixed ports that all networks can reach.
Telemetry is off.
"""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import urllib3
from minio import Minio
from minio.error import MinioException

from loupe_local.full_disk import FullDisk
from loupe_local.nats_server import binary
from loupe_local.ports import HOST
from loupe_local.probes import Probe
from loupe_local.process import OWN, Process, launch, output_of
from loupe_local.state import REPOSITORY, State, write

SERVICES = ("images", "inference")
BUCKET = "loupe"
REGION = "us-east-1"
OPERATOR = "operator"
"""An identity with the whole bucket: for people, and for tests that arrange objects."""
RIGHTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "images": {
        "": ("s3:ListBucket",),
        "/images/*": ("s3:GetObject", "s3:PutObject", "s3:DeleteObject"),
    },
    "inference": {
        "/images/originals/*": ("s3:GetObject",),
        "/images/upscaled/*": ("s3:PutObject",),
        "/images/previews/*": ("s3:PutObject",),
    },
    OPERATOR: {"": ("s3:*",), "/*": ("s3:*",)},
}
"""The actions of an identity, by the end of the resource's name after the bucket."""
CERTIFICATES = "certificates"
SIGN = REPOSITORY / "deploy" / "helm" / "loupe" / "files" / "certificates.py"
COMPONENTS = ("MASTER", "VOLUME", "FILER", "S3", "ADMIN", "CLIENT")
PORTS = ("master", "volume", "filer", "s3", "admin")
OPTIONS = {
    "disableHttp": "true",  # the master would delete collections and give out tokens for anybody
    "master.telemetry": "false",
    "master.resumeState": "false",  # otherwise it may refuse writes for 15 s after a restart
    "volume.preStopSeconds": "0",
    "webdav": "false",
    "admin.ui": "false",
    "filer.maxMB": "1",  # the default of 4 MB makes uploads a third slower and takes twice the memory
    "s3.port.iceberg": "0",
    "s3.port.lance": "0",
    "s3.allowedOrigins": "*",  # web pages of any origin may use signed links, as they may use the API
    "s3.iam": "false",  # otherwise identities may change themselves
    "s3.autoCreateBucket": "false",
    "s3.allowDeleteBucketNotEmpty": "false",
    "s3.localSocket": "s3.sock",
    "filer.localSocket": "filer.sock",
    "bucket": BUCKET,
    "dir": "data",
}


@dataclass(frozen=True, kw_only=True)
class ObjectStore:
    ports: Mapping[str, int]
    keys: Mapping[str, tuple[str, str]] = field(repr=False)
    """Access key and secret key by service."""
    folder: Path = Path()
    token_key: str = field(default="", repr=False)
    """Signs the tokens with which its servers write to each other by HTTP."""
    bucket: str = BUCKET
    region: str = REGION

    @property
    def endpoint(self) -> str:
        return f"{HOST}:{self.ports['s3']}"

    @property
    def metrics(self) -> str:
        return f"http://{HOST}:{self.ports['metrics']}/metrics"

    def client(self, service: str) -> Minio:
        access_key, secret_key = self.keys[service]
        pool = urllib3.PoolManager(timeout=5, retries=False)
        return Minio(
            self.endpoint,
            access_key=access_key,
            secret_key=secret_key,
            secure=False,
            region=self.region,
            http_client=pool,
        )


def object_store(state: State) -> ObjectStore:
    names = [*PORTS, *(f"{name}.grpc" for name in PORTS), "metrics"]
    ports = state.ports(*(f"objects.{name}" for name in names))
    keys = {
        one: (state.secret(f"s3/{one}/access"), state.secret(f"s3/{one}/secret"))
        for one in (*SERVICES, OPERATOR)
    }
    return ObjectStore(
        ports={name: ports[f"objects.{name}"] for name in names},
        keys=keys,
        folder=state.path("objects"),
        token_key=state.secret("s3/tokens"),
    )


def process(store: ObjectStore, state: State) -> Process:
    folder = store.folder
    shutil.rmtree(folder / "logs", ignore_errors=True)  # each start writes new files
    for name in ("data", "logs"):
        (folder / name).mkdir(exist_ok=True)
    for socket in folder.glob("*.sock"):
        socket.unlink()
    subprocess.run([sys.executable, str(SIGN), str(folder / CERTIFICATES)], check=True)
    write(folder / "s3.json", identities(store), mode=0o600)
    options = OPTIONS | {"ip": HOST, "ip.bind": HOST, "metricsIp": HOST, "s3.config": "s3.json"}
    for name, port in store.ports.items():
        options[_port_option(name)] = str(port)
    logging = (
        "-config_dir=.",
        "-logdir=logs",
        "-alsologtostderr=false",
        "-stderrthreshold=ERROR",
        "-log_max_size_mb=16",
    )
    return Process(
        name="objects",
        argv=(
            str(binary("weed")),
            *logging,
            "mini",
            *(f"-{name}={value}" for name, value in options.items()),
        ),
        # with half of this limit an object of 10 MB takes twice as long
        env={"GOMEMLIMIT": "512MiB", **walls(store)},
        cwd=folder,
        clean_up=lambda: remove_sockets(store),
        is_stuck=FullDisk(folder / "data").is_over,
        ready=_accepts_objects(store),
        ready_seconds=60,
    )


async def enable_fsync(store: ObjectStore) -> None:
    """Make the store write each object to the disk before it answers. A power failure then loses nothing."""
    addresses = (
        f"-{one}={HOST}:{store.ports[one]}.{store.ports[f'{one}.grpc']}" for one in ("master", "filer")
    )
    argv = launch(OWN, Path("/"), str(binary("weed")), "shell", *addresses)
    env = {**os.environ, **walls(store)}
    status, output = await output_of(
        argv, env=env, stdin=b"fs.configure -locationPrefix=/buckets/ -fsync -apply\n"
    )
    if status != 0 or '"fsync":' not in output:
        raise OSError(f"the object store did not accept fs.configure: {output}")


def remove_sockets(store: ObjectStore) -> None:
    """Remove the sockets that SeaweedFS leaves in /tmp. No option changes this path."""
    for server, port in store.ports.items():
        if server.endswith(".grpc"):
            Path(f"/tmp/seaweedfs-{server.replace('.', '-')}-{port}.sock").unlink(missing_ok=True)  # noqa: S108


def _port_option(name: str) -> str:
    if name == "metrics":
        return "metricsPort"
    server, _, kind = name.partition(".")
    return f"{server}.port.{kind}" if kind else f"{server}.port"


def walls(store: ObjectStore) -> dict[str, str]:
    """Return the variables that let its servers accept only each other, by certificate and by token.

    Without a certificate, anybody who reaches a port of gRPC could become an administrator.
    """
    folder = store.folder / CERTIFICATES
    pairs = {f"WEED_GRPC_{name}_CERT": str(folder / "tls.crt") for name in COMPONENTS}
    pairs |= {f"WEED_GRPC_{name}_KEY": str(folder / "tls.key") for name in COMPONENTS}
    tokens = dict.fromkeys(
        ("WEED_JWT_SIGNING_KEY", "WEED_JWT_FILER_SIGNING_KEY", "WEED_JWT_FILER_SIGNING_READ_KEY"),
        store.token_key,
    )
    return {"WEED_GRPC_CA": str(folder / "ca.crt"), **pairs, **tokens}


def identities(store: ObjectStore) -> dict[str, object]:
    """Return the configuration of the S3 server: who has which keys, and may do what."""
    policies = [{"name": one, "content": json.dumps(policy(one, store.bucket))} for one in store.keys]
    found = [
        {
            "name": one,
            "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
            "policyNames": [one],
        }
        for one, (access_key, secret_key) in store.keys.items()
    ]
    return {"identities": found, "policies": policies}


def policy(identity: str, bucket: str) -> dict[str, object]:
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": [f"arn:aws:s3:::{bucket}{resource}"]}
        for resource, actions in RIGHTS[identity].items()
    ]
    return {"Version": "2012-10-17", "Statement": statements}


def _accepts_objects(store: ObjectStore) -> Probe:
    """Probe with a PUT: after a crash the store lists buckets seconds before it accepts an object."""
    client = store.client(SERVICES[0])

    def put_and_remove() -> bool:
        try:
            client.put_object(store.bucket, "images/.ready", BytesIO(b"ready"), 5)
            client.remove_object(store.bucket, "images/.ready")
        except (MinioException, urllib3.exceptions.HTTPError):
            return False
        return True

    async def probe() -> bool:
        return await asyncio.to_thread(put_and_remove)

    return probe

"""Copies dumps and objects to a bucket elsewhere, and back: `save`, `fetch` or `restore-objects`.

A backup is the folder `backups/NAME` of the bucket. Its last file, `complete.json`, says what belongs to it:
a backup without that file was interrupted and is never restored. Objects are copied once for all backups, to
`objects/`, and are removed there when no kept backup names them.
"""
# ruff: noqa: INP001, T201  a script: what it prints is the log of a pod

import gzip
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from common.platform_credentials import PlatformCredentials

FOLDER = Path(os.environ["DUMPS"])
TARGET_BUCKET, SOURCE_BUCKET = os.environ["TARGET_BUCKET"], os.environ.get("SOURCE_BUCKET", "")
PREFIX = os.environ["TARGET_PREFIX"]
KEEP = int(os.environ["KEEP"])
OBJECTS = "images/"
"""All objects of Loupe have this prefix in its bucket."""
PARALLEL = 8
LEAST_PART_BYTES = 5 << 20
Found = dict[str, int]
"""Sizes in bytes, by key."""


def client(endpoint: str, region: str, access_key: str, secret_key: str) -> Minio:
    """Return a client by the variables of these names. Without keys the platform gives credentials."""
    scheme, _, host = os.environ[endpoint].rpartition("://")
    key = os.environ.get(access_key, "")
    login: dict[str, Any] = (
        {"access_key": key, "secret_key": os.environ[secret_key]}
        if key
        else {"credentials": PlatformCredentials()}
    )
    return Minio(host, secure=scheme != "http", region=os.environ[region], **login)


def target_store() -> Minio:
    return client("TARGET_ENDPOINT", "TARGET_REGION", "TARGET_ACCESS_KEY", "TARGET_SECRET_KEY")


def source_store() -> Minio:
    return client("SOURCE_ENDPOINT", "SOURCE_REGION", "SOURCE_ACCESS_KEY", "SOURCE_SECRET_KEY")


def listed(store: Minio, bucket: str, prefix: str) -> Found:
    objects = store.list_objects(bucket, prefix=prefix, recursive=True)
    return {one.object_name or "": one.size or 0 for one in objects}


def copy_missing(
    wanted: Found, source: Minio, source_bucket: str, target: Minio, target_bucket: str, *, to: str, of: str
) -> int:
    """Copy the objects `of + key` that `to + key` lacks, or has in another size; return how many there were.

    An object that was deleted after it was listed is left out.
    """
    there = listed(target, target_bucket, f"{to}{OBJECTS}")
    missing = [key for key, size in wanted.items() if there.get(f"{to}{key}") != size]

    def copy(key: str) -> bool:
        try:
            answer = source.get_object(source_bucket, f"{of}{key}")
        except S3Error as error:
            if error.code == "NoSuchKey":
                return False
            raise
        with answer:
            part_bytes = max(LEAST_PART_BYTES, wanted[key] // 9_000)
            target.put_object(
                target_bucket,
                f"{to}{key}",
                answer,
                wanted[key],
                content_type=answer.headers.get("Content-Type", "application/octet-stream"),
                part_size=part_bytes,
            )
        return True

    with ThreadPoolExecutor(PARALLEL) as pool:
        return sum(pool.map(copy, missing))


def save() -> None:
    """Upload the dumps in the folder, then the objects, then remove what is no longer kept."""
    target, name = target_store(), datetime.now(UTC).strftime("%Y-%m-%dT%H-%M-%SZ")
    folder = f"{PREFIX}backups/{name}/"
    sums: dict[str, str] = {}
    for dump in sorted(FOLDER.glob("*.dump")):
        sums[dump.name] = sha256(dump)
        target.fput_object(TARGET_BUCKET, f"{folder}{dump.name}", str(dump))
        print(f"saved {dump.name}, {dump.stat().st_size} bytes", flush=True)
    if SOURCE_BUCKET:
        save_objects(target, folder, sums)
    content = {"name": name, "sha256": sums, "order": "dumps, then objects"}
    put_text(target, f"{folder}complete.json", json.dumps(content).encode())
    print(f"the backup {name} is complete", flush=True)
    remove_old(target)


def save_objects(target: Minio, folder: str, sums: dict[str, str]) -> None:
    source = source_store()
    wanted = listed(source, SOURCE_BUCKET, OBJECTS)
    copied = copy_missing(wanted, source, SOURCE_BUCKET, target, TARGET_BUCKET, of="", to=f"{PREFIX}objects/")
    manifest = FOLDER / "objects.json.gz"
    manifest.write_bytes(gzip.compress(json.dumps(wanted).encode(), mtime=0))
    sums[manifest.name] = sha256(manifest)
    target.fput_object(TARGET_BUCKET, f"{folder}{manifest.name}", str(manifest))
    print(f"saved objects: {copied} new ones of {len(wanted)}", flush=True)


def remove_old(target: Minio) -> None:
    """Keep the newest complete backups, and the objects that they name."""
    files = listed(target, TARGET_BUCKET, f"{PREFIX}backups/")
    kept = complete(files)[-KEEP:]
    old = [key for key in files if name_of(key) < kept[0]]
    remove(target, old)
    manifests = [f"{PREFIX}backups/{name}/objects.json.gz" for name in kept]
    if not SOURCE_BUCKET or not all(one in files for one in manifests):
        return  # a backup without a list of objects may need any of them
    named: set[str] = set()
    for manifest in manifests:
        named |= read_manifest(target, manifest).keys()
    stored = listed(target, TARGET_BUCKET, f"{PREFIX}objects/{OBJECTS}")
    unnamed = [key for key in stored if key.removeprefix(f"{PREFIX}objects/") not in named]
    remove(target, unnamed)
    print(
        f"removed {len(old)} files of old backups, and {len(unnamed)} objects that only these had", flush=True
    )


def fetch(name: str) -> None:
    """Download the dumps of a backup, or of the latest one, and check them."""
    target = target_store()
    found = complete(listed(target, TARGET_BUCKET, f"{PREFIX}backups/"))
    if not found or name not in (*found, "latest"):
        sys.exit(f"there is no complete backup {name}. There are: {', '.join(found) or 'none'}")
    name = found[-1] if name == "latest" else name
    folder = f"{PREFIX}backups/{name}/"
    with target.get_object(TARGET_BUCKET, f"{folder}complete.json") as answer:
        sums: dict[str, str] = json.loads(answer.read())["sha256"]
    for file, wanted in sums.items():
        target.fget_object(TARGET_BUCKET, f"{folder}{file}", str(FOLDER / file))
        if sha256(FOLDER / file) != wanted:
            sys.exit(f"{folder}{file} is damaged: its SHA-256 is not the one in complete.json")
    print(f"fetched the backup {name}: {', '.join(sums)}", flush=True)


def restore_objects() -> None:
    """Copy the objects that the fetched backup names to the store, unless it has them."""
    manifest = FOLDER / "objects.json.gz"
    if not manifest.exists():
        print("the backup has no objects", flush=True)
        return
    wanted: Found = json.loads(gzip.decompress(manifest.read_bytes()))
    copied = copy_missing(
        wanted,
        target_store(),
        TARGET_BUCKET,
        source_store(),
        SOURCE_BUCKET,
        of=f"{PREFIX}objects/",
        to="",
    )
    print(f"restored {copied} objects of {len(wanted)}", flush=True)


def complete(files: Iterable[str]) -> list[str]:
    """Return the names of complete backups, the oldest first."""
    return sorted(name_of(key) for key in files if key.endswith("/complete.json"))


def name_of(key: str) -> str:
    return key.removeprefix(f"{PREFIX}backups/").partition("/")[0]


def read_manifest(target: Minio, key: str) -> Found:
    with target.get_object(TARGET_BUCKET, key) as answer:
        return json.loads(gzip.decompress(answer.read()))


def remove(target: Minio, keys: list[str]) -> None:
    errors = list(target.remove_objects(TARGET_BUCKET, (DeleteObject(key) for key in keys)))
    if errors:
        sys.exit(f"{len(errors)} old files could not be removed, the first: {errors[0].name}")


def put_text(target: Minio, key: str, content: bytes) -> None:
    file = FOLDER / "complete.json"
    file.write_bytes(content)
    target.fput_object(TARGET_BUCKET, key, str(file))


def sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


if __name__ == "__main__":
    {"save": save, "fetch": lambda: fetch(sys.argv[2]), "restore-objects": restore_objects}[sys.argv[1]]()

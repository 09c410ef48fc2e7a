"""Each credential is tried at the real object store, and its servers accept only each other."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping
from io import BytesIO
from typing import Any

import grpc
import httpx2
import pytest
from minio import Minio
from minio.commonconfig import CopySource, Tags
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, S3Error

from loupe_local.ports import HOST
from loupe_local.stores import Stores

BUCKET = "loupe"
ORIGINAL, RESULT, PREVIEW = "images/originals/x", "images/upscaled/x", "images/previews/x"
ELSEWHERE = "other/x"
SERVERS = ("master", "volume", "filer", "s3")
PUBLIC = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "s3:*",
                "Resource": [f"arn:aws:s3:::{BUCKET}", f"arn:aws:s3:::{BUCKET}/*"],
            }
        ],
    }
)


@pytest.fixture(scope="module")
def objects(stores: Stores) -> Iterator[Stores]:
    """Objects in each folder, and an upload in parts that was not finished."""
    operator = stores.s3.client("operator")
    for key in (ORIGINAL, RESULT, PREVIEW, ELSEWHERE):
        operator.put_object(BUCKET, key, BytesIO(b"x"), 1)
    yield stores
    for key in (ORIGINAL, RESULT, PREVIEW, ELSEWHERE):
        operator.remove_object(BUCKET, key)


def refusal(attempt: Callable[[], object]) -> str:
    """Return the code of the store's refusal, or an empty text."""
    try:
        result = attempt()
        problems = [getattr(each, "code", "") for each in result] if isinstance(result, Iterator) else []
    except S3Error as error:
        return error.code or "refused"
    return problems[0] if problems else ""


async def codes_of(attempts: Mapping[str, Callable[[], object]]) -> dict[str, str]:
    return {what: await asyncio.to_thread(refusal, attempt) for what, attempt in attempts.items()}


def put(client: Minio, key: str) -> Callable[[], object]:
    return lambda: client.put_object(BUCKET, key, BytesIO(b"y"), 1)


def read(client: Minio, key: str) -> Callable[[], object]:
    return lambda: client.get_object(BUCKET, key).read()


def raw(client: Any, method: str, key: str | None, headers: Any = None, **query: str) -> Callable[[], object]:
    """Return a request that the client has no method for."""
    options = {"bucket_name": BUCKET, "object_name": key, "query_params": query, "headers": headers}
    return lambda: client._url_open(method, "us-east-1", **options)


def of_the_bucket(client: Any) -> dict[str, Callable[[], object]]:
    """Return what no service may do to the bucket, and to its own access."""
    public = {"x-amz-acl": "public-read"}
    tags = Tags(for_object=True)
    return {
        "set its policy": lambda: client.set_bucket_policy(BUCKET, PUBLIC),
        "read its policy": lambda: client.get_bucket_policy(BUCKET),
        "delete its policy": lambda: client.delete_bucket_policy(BUCKET),
        "delete it": lambda: client.remove_bucket(BUCKET),
        "make another": lambda: client.make_bucket("another"),
        "make it public": raw(client, "PUT", None, public, acl=""),
        "make an object public": raw(client, "PUT", ORIGINAL, public, acl=""),
        "read its ACL": raw(client, "GET", None, acl=""),
        "delete its CORS": raw(client, "DELETE", None, cors=""),
        "delete its lifecycle": lambda: client.delete_bucket_lifecycle(BUCKET),
        "delete its tags": lambda: client.delete_bucket_tags(BUCKET),
        "delete its encryption": lambda: client.delete_bucket_encryption(BUCKET),
        "read its versioning": lambda: client.get_bucket_versioning(BUCKET),
        "set the tags of an object": lambda: client.set_object_tags(BUCKET, ORIGINAL, tags),
        "read outside the folder": read(client, ELSEWHERE),
        "write outside the folder": put(client, ELSEWHERE),
        "write beside the folder": put(client, "images.png"),
        "delete outside the folder": lambda: client.remove_object(BUCKET, ELSEWHERE),
        "copy from outside": lambda: client.copy_object(BUCKET, RESULT, CopySource(BUCKET, ELSEWHERE)),
        "list unfinished uploads": raw(client, "GET", None, uploads=""),
    }


@pytest.mark.parametrize("name", ["images", "inference"])
async def test_no_service_changes_the_bucket_or_leaves_its_folder(objects: Stores, name: str) -> None:
    client = objects.s3.client(name)

    codes = await codes_of(of_the_bucket(client))

    assert {what: code for what, code in codes.items() if code != "AccessDenied"} == {}


async def test_the_worker_reads_originals_and_writes_results_and_nothing_else(objects: Stores) -> None:
    client: Any = objects.s3.client("inference")
    operator: Any = objects.s3.client("operator")
    upload = operator._create_multipart_upload(BUCKET, ORIGINAL, {})
    allowed = {
        "read an original": read(client, ORIGINAL),
        "write a result": put(client, RESULT),
        "write a preview": put(client, PREVIEW),
    }
    denied = {
        "write an original": put(client, ORIGINAL),
        "read a result": read(client, RESULT),
        "read a preview": read(client, PREVIEW),
        "look for a result": lambda: client.stat_object(BUCKET, RESULT),
        "list": lambda: client.list_objects(BUCKET, recursive=True),
        "list originals": lambda: client.list_objects(BUCKET, "images/originals/"),
        "delete an original": lambda: client.remove_object(BUCKET, ORIGINAL),
        "delete a result": lambda: client.remove_object(BUCKET, RESULT),
        "delete several": lambda: client.remove_objects(BUCKET, [DeleteObject(RESULT)]),
        "copy over an original": lambda: client.copy_object(BUCKET, ORIGINAL, CopySource(BUCKET, ORIGINAL)),
        "copy a result": lambda: client.copy_object(BUCKET, PREVIEW, CopySource(BUCKET, RESULT)),
        "upload an original in parts": lambda: client._create_multipart_upload(BUCKET, ORIGINAL, {}),
        "end another's upload": lambda: client._abort_multipart_upload(BUCKET, ORIGINAL, upload),
        "see another's parts": lambda: client._list_parts(BUCKET, ORIGINAL, upload),
    }

    assert await codes_of(allowed) == dict.fromkeys(allowed, "")
    assert await codes_of(denied) == dict.fromkeys(denied, "AccessDenied")
    assert list(client.list_buckets()) == []


async def test_an_identity_cannot_give_itself_more(objects: Stores) -> None:
    """The store's API for identities is off, so nothing answers it."""
    client: Any = objects.s3.client("images")
    for action in (b"Action=CreateAccessKey&Version=2010-05-08", b"Action=CreateUser&UserName=eve"):
        with pytest.raises(InvalidResponseError, match="405"):
            await asyncio.to_thread(client._url_open, "POST", "us-east-1", body=action)


def an_administrator() -> bytes:
    """Return a `PutIdentityRequest` that makes `evil` an administrator."""

    def text(number: int, value: bytes) -> bytes:
        return bytes([number << 3 | 2, len(value)]) + value

    credential = text(1, b"evil") + text(2, b"evil-secret")
    return text(1, text(1, b"evil") + text(2, credential) + text(3, b"Admin"))


CALLS = {
    "s3": "/messaging_pb.SeaweedS3IamCache/PutIdentity",
    "filer": "/iam_pb.SeaweedIdentityAccessManagement/GetConfiguration",
    "master": "/master_pb.Seaweed/GetMasterConfiguration",
    "volume": "/volume_server_pb.VolumeServer/VolumeServerStatus",
}


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("encrypted", [False, True])
async def test_its_servers_answer_nobody_without_their_certificate(
    objects: Stores, server: str, encrypted: bool
) -> None:
    target = f"{HOST}:{objects.s3.ports[f'{server}.grpc']}"
    authority = (objects.s3.folder / "certificates" / "ca.crt").read_bytes()
    options = [("grpc.ssl_target_name_override", "object-store")]
    channel = (
        grpc.aio.secure_channel(target, grpc.ssl_channel_credentials(authority), options)
        if encrypted
        else grpc.aio.insecure_channel(target)
    )
    async with channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary(CALLS[server])(an_administrator(), timeout=10)

    evil = Minio(objects.s3.endpoint, access_key="evil", secret_key="evil-secret", secure=False)
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert await asyncio.to_thread(refusal, evil.list_buckets) == "InvalidAccessKeyId"


async def test_the_filer_reads_and_writes_nothing_without_a_token(objects: Stores) -> None:
    filer = f"http://{HOST}:{objects.s3.ports['filer']}"
    async with httpx2.AsyncClient(trust_env=False) as http:
        answers = [
            await http.get(f"{filer}/buckets/{BUCKET}/{ORIGINAL}"),
            await http.get(f"{filer}/etc/"),
            await http.put(f"{filer}/buckets/{BUCKET}/{ORIGINAL}", content=b"z"),
            await http.delete(f"{filer}/buckets/{BUCKET}/{ORIGINAL}"),
        ]

    assert {answer.status_code for answer in answers} <= {401, 404, 405}


async def test_keys_are_readable_only_by_their_owner(objects: Stores) -> None:
    files = [objects.s3.folder / "s3.json", *(objects.s3.folder / "certificates").iterdir()]

    assert {path.stat().st_mode & 0o077 for path in files} == {0}


@pytest.mark.parametrize(
    "path",
    ["/dir/assign", "/dir/lookup?volumeId=1", "/col/delete?collection=loupe", "/vol/grow", "/dir/status"],
)
async def test_the_master_answers_no_http(objects: Stores, path: str) -> None:
    url = f"http://{HOST}:{objects.s3.ports['master']}{path}"

    async with httpx2.AsyncClient(timeout=20) as stranger:
        answers = [await stranger.request(method, url) for method in ("GET", "POST", "DELETE")]

    assert {answer.status_code for answer in answers} <= {404, 405}
    assert objects.s3.client("operator").stat_object(BUCKET, ORIGINAL).size == 1

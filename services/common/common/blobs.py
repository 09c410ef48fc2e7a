"""Objects in S3-compatible storage.

The `minio` client blocks, so its calls run in threads. Presigned URLs are signed for the public endpoint,
because the host is part of the signature. The region is set, so that signing needs no request. Only plain S3
calls are used, so any S3-compatible server works. Without keys the platform gives credentials that expire
(`common.platform_credentials`).
"""

import asyncio
import contextlib
import io
import itertools
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import urllib3
from minio import Minio
from minio.credentials.providers import Provider, StaticProvider
from minio.deleteobjects import DeleteObject
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError
from minio.helpers import DictType
from opentelemetry.trace import SpanKind
from prometheus_client import Histogram
from pydantic import SecretStr

from common import presigned_put, trace
from common.metrics import SECONDS_BUCKETS
from common.platform_credentials import PlatformCredentials

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
CONNECTIONS = 16
KEYS_PER_PAGE = 1000
MAX_PART_BYTES = 1 << 30
"""Larger than any object, so that each is uploaded in one request. By default the client sends parts of 5
MiB, one after the other.
"""

request_seconds = Histogram(
    "loupe_object_store_seconds",
    "Time of requests to the object store, including retries",
    ["operation", "outcome"],
    buckets=SECONDS_BUCKETS,
)


@dataclass(frozen=True, slots=True)
class Store:
    """The address and credentials of a bucket. Endpoints look like `http://host:port` or `https://host`."""

    endpoint: str
    """The address that services use."""
    public_endpoint: str
    """The address that clients use. Presigned links contain it."""
    region: str
    bucket: str
    access_key: str
    """Empty, as the secret key: the platform gives the pod credentials."""
    secret_key: SecretStr

    def __post_init__(self) -> None:
        if bool(self.access_key) != bool(self.secret_key.get_secret_value()):
            raise ValueError("S3 needs both an access key and a secret key, or neither")


@dataclass(frozen=True, slots=True)
class Version:
    """An object as it is now. A later one has another `etag`."""

    bytes: int
    etag: str


STORE_ERRORS = (MinioException, urllib3.exceptions.HTTPError)
"""Errors of a store that refuses, or that cannot be reached."""
FIRST_FAULT_STATUS, TOO_MANY_REQUESTS = 500, 429


class StoreFailed(urllib3.exceptions.HTTPError):
    """The store answered that it cannot do its work for now: it is full, too busy, or broken."""


class Replaced(Exception):
    """The object is no longer the version that was asked for."""


class Blobs:
    """The objects of one bucket.

    Methods raise urllib3's errors if the store cannot be reached or fails, and `minio.error.S3Error` if it
    refuses.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bucket = store.bucket
        credentials = _credentials(store)
        self._client = _client(store, store.endpoint, credentials)
        self._public = _client(store, store.public_endpoint, credentials)

    async def put(self, key: str, data: bytes, content_type: str) -> None:
        """Store the object. An object that already has this key is replaced."""
        # closing the body frees the data at once: the thread keeps its arguments for a while after it is done
        with self._measured("put", key), io.BytesIO(data) as body:
            await asyncio.to_thread(
                self._client.put_object,
                self._bucket,
                key,
                body,
                len(data),
                content_type=content_type,
                part_size=MAX_PART_BYTES,
            )

    async def get(self, key: str) -> bytes:
        """Return the whole object. Raise `S3Error` with the code `NoSuchKey` if there is none."""
        with self._measured("get", key):
            return await asyncio.to_thread(self._read, key)

    async def get_range(self, key: str, offset: int, length: int, *, version: Version | None = None) -> bytes:
        """Return `length` bytes of the object, from `offset` on. Raise `EOFError` if it has fewer.

        Raise `Replaced` if a `version` is given, and the object has changed since.
        """
        try:
            with self._measured("get", key):
                data = await asyncio.to_thread(self._read, key, offset, length, version)
        except S3Error as error:
            if version and error.code in {"PreconditionFailed", "NoSuchKey"}:
                raise Replaced from error
            raise
        if len(data) != length:
            raise EOFError(f"{key} has no {length} bytes at {offset}")
        return data

    async def exists(self, key: str) -> bool:
        """Return whether there is an object with this key.

        It also returns False if the whole bucket is missing, so check that with `ping` first.
        """
        return await self.find_version(key) is not None

    async def find_version(self, key: str) -> Version | None:
        """Return the object's size and version, or None if there is no object with this key."""
        try:
            with self._measured("head", key):
                found = await asyncio.to_thread(self._client.stat_object, self._bucket, key)
        except S3Error as error:
            if error.code != "NoSuchKey":
                raise
            return None
        return Version(found.size or 0, found.etag or "")

    async def delete(self, keys: Iterable[str]) -> None:
        """Delete the objects. Ignore keys without an object. Raise `OSError` if one could not be deleted."""
        with self._measured("delete"):
            await asyncio.to_thread(self._remove, list(keys))

    async def list_pages(self, prefix: str) -> AsyncGenerator[list[tuple[str, datetime]]]:
        """Yield pages of up to 1,000 keys that start with `prefix`, with the times of their last change."""
        listing = self._client.list_objects(self._bucket, prefix, recursive=True)
        while True:
            with self._measured("list"):
                found = await asyncio.to_thread(lambda: list(itertools.islice(listing, KEYS_PER_PAGE)))
            if not found:
                return
            yield [
                (entry.object_name, entry.last_modified)
                for entry in found
                if entry.object_name and entry.last_modified and not entry.is_dir
            ]

    async def ping(self) -> None:
        """Raise `LookupError` if the bucket does not exist."""
        if not await asyncio.to_thread(self._client.bucket_exists, self._bucket):
            raise LookupError(f"there is no bucket {self._bucket}")

    async def ping_object(self, key: str) -> None:
        """Raise if the store cannot be reached or does not know us. The object may be missing.

        It needs no right to list. A store that hides what is missing from those who may not list answers
        that access is denied.
        """
        try:
            await asyncio.to_thread(self._read, key)
        except S3Error as error:
            if error.code not in {"NoSuchKey", "AccessDenied"}:
                raise

    def presigned_url(self, key: str, expires: timedelta, *, content_type: str, disposition: str) -> str:
        """Return a link that works without credentials until it expires. It is computed without a request.

        Credentials of the platform are the exception: a request gets new ones every quarter of an hour, and
        the link ends with them.
        """
        return self._public.presigned_get_object(
            self._bucket,
            key,
            expires=expires,
            response_headers={
                "response-content-type": content_type,
                "response-content-disposition": disposition,
            },
        )

    def presigned_put(self, key: str, expires: timedelta, headers: Mapping[str, str]) -> str:
        """Return a link for a PUT with these headers, which is computed without a request.

        It works without credentials until it expires.
        """
        unsigned = self._public.get_presigned_url("PUT", self._bucket, key).partition("?")[0]
        return presigned_put.sign(
            unsigned,
            headers,
            access_key=self._store.access_key,
            secret_key=self._store.secret_key.get_secret_value(),
            region=self._store.region,
            at=datetime.now(UTC),
            expires=expires,
        )

    @contextlib.contextmanager
    def _measured(self, operation: str, key: str = "") -> Generator[None]:
        started, outcome = time.perf_counter(), "failed"
        attributes = {"aws.s3.bucket": self._bucket} | ({"aws.s3.key": key} if key else {})
        try:
            with trace.span(f"S3 {operation}", SpanKind.CLIENT, attributes):
                yield
            outcome = "done"
        except S3Error as error:
            if error.response.status >= FIRST_FAULT_STATUS or error.response.status == TOO_MANY_REQUESTS:
                outcome = "away"
                raise StoreFailed(f"{error.code}: {error.message}") from error
            outcome = "absent" if error.code == "NoSuchKey" else "refused"
            raise
        except (ServerError, InvalidResponseError) as error:  # a proxy may answer in place of the store
            outcome = "away"
            raise StoreFailed(str(error)) from error
        except urllib3.exceptions.HTTPError:
            outcome = "away"
            raise
        finally:
            request_seconds.labels(operation, outcome).observe(time.perf_counter() - started)

    def _read(self, key: str, offset: int = 0, length: int = 0, version: Version | None = None) -> bytes:
        """Return the bytes from `offset` on; `length` 0: all of them."""
        headers: DictType = {"If-Match": f'"{version.etag}"'} if version else {}
        response = self._client.get_object(self._bucket, key, offset, length, headers)
        try:
            if version and response.headers.get("ETag", "").strip('"') != version.etag:
                raise Replaced
            return response.read()
        finally:
            response.close()
            response.release_conn()

    def _remove(self, keys: list[str]) -> None:
        problems = list(self._client.remove_objects(self._bucket, [DeleteObject(key) for key in keys]))
        if problems:
            raise OSError(f"could not delete {problems[0].name}: {problems[0].message}")


def _credentials(store: Store) -> Provider:
    if store.access_key:
        return StaticProvider(store.access_key, store.secret_key.get_secret_value())
    return PlatformCredentials()


def _client(store: Store, endpoint: str, credentials: Provider) -> Minio:
    scheme, _, host = endpoint.rpartition("://")
    return Minio(
        host,
        credentials=credentials,
        secure=scheme == "https",
        region=store.region,
        http_client=urllib3.PoolManager(
            timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS),
            maxsize=CONNECTIONS,
            retries=urllib3.Retry(total=3, backoff_factor=0.1, status_forcelist=[500, 502, 503, 504]),
        ),
    )

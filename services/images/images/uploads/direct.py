"""Direct uploads: the client puts the file into the object store, and then names it instead of sending it.

The store checks what the link's signature covers. Not every store does, so all of it is checked again when
the file is read. It is read as one version, and what was read is stored under the key of the image: a client
who replaces the file later changes nothing.
"""

import hashlib
import io
import re
import secrets
import uuid
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel.ext.asyncio.session import AsyncSession

from common import errors
from common.blobs import Replaced
from common.db import Sessions, now
from images.domain import deleted_users, direct_uploads, jobs
from images.formats.header import too_large_text
from images.upload_tables import DirectUpload
from images.uploads import file_names
from images.uploads.intake import ServiceContext
from images.uploads.memory import Account
from images.uploads.single import Upload
from loupe.images.v1 import images_pb2 as pb

RANGE_BYTES = 1 << 20
DEFAULT_TYPE = "application/octet-stream"
LONGEST_TYPE = 127
MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+")
SHA256 = re.compile(r"[0-9a-fA-F]{64}")


LastStep = Callable[[AsyncSession, DirectUpload], Awaitable[None]]


async def do_nothing(_: AsyncSession, __: DirectUpload) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Link:
    """The request with which a client puts its file into the object store."""

    upload: DirectUpload
    url: str
    headers: Mapping[str, str]
    expires_at: datetime


class DirectUploads:
    def __init__(self, context: ServiceContext) -> None:
        self._context = context

    async def create(
        self, user_id: int, request: pb.CreateUploadRequest, last: LastStep = do_nothing
    ) -> Link:
        """Note what the client is going to store, and return the link for it.

        `last` is the last step of the transaction. Raise `InvalidArgument` with every field at fault, and
        `ResourceExhausted` if too much waits already.
        """
        self._check(request)
        upload = DirectUpload(
            id=uuid.uuid4(),
            user_id=user_id,
            filename=file_names.clean(request.filename),
            bytes=request.bytes,
            sha256=request.sha256.lower() or None,
            object_key=f"{direct_uploads.FOLDER}{secrets.token_hex(16)}",
            expires_at=now() + direct_uploads.LIFETIME,
        )
        async with self._context.sessions.begin() as session:
            await jobs.lock_user(session, user_id)
            await deleted_users.refuse_deleted(session, user_id)
            await direct_uploads.add(session, upload)
            await last(session, upload)
        return self._sign(upload, request)

    async def sign_again(self, user_id: int, upload_id: str, request: pb.CreateUploadRequest) -> Link:
        """Return a new link for the upload of an earlier request that was the same as this one.

        Raise `InvalidArgument` if the upload was used or has expired.
        """
        async with self._context.sessions.begin() as session:
            return self._sign(await direct_uploads.get(session, user_id, upload_id), request)

    def _sign(self, upload: DirectUpload, request: pb.CreateUploadRequest) -> Link:
        content_type = request.content_type or DEFAULT_TYPE
        headers = {"Content-Type": content_type}
        if upload.sha256:
            headers["x-amz-checksum-sha256"] = b64encode(bytes.fromhex(upload.sha256)).decode()
        signed = headers | {"Content-Length": str(upload.bytes)}
        url = self._context.blobs.presigned_put(upload.object_key, direct_uploads.LINK_LIFETIME, signed)
        return Link(upload, url, headers, now() + direct_uploads.LINK_LIFETIME)

    async def read_into(self, upload: Upload, user_id: int, account: Account) -> None:
        """Give the upload the file that it names by `upload_id`.

        Raise `InvalidArgument` if the file is not there or not as agreed.
        """
        async with self._context.sessions.begin() as session:
            direct = await direct_uploads.get(session, user_id, upload.upload_id)
        upload.direct, upload.filename, upload.field_name = direct, direct.filename, direct_uploads.FIELD
        upload.data = await self.read(direct, account)

    async def read(self, upload: DirectUpload, account: Account) -> bytes:
        """Return the stored file. Raise `InvalidArgument` if it is not there or not as agreed."""
        version = await self._context.blobs.find_version(upload.object_key)
        if version is None:
            raise _refused("No file was stored for this upload yet.")
        if version.bytes != upload.bytes:
            text = f"The stored file has {version.bytes} bytes, and {upload.bytes} were announced."
            raise _refused(text)
        data, hashed = io.BytesIO(), hashlib.sha256()
        try:
            for offset in range(0, version.bytes, RANGE_BYTES):
                length = min(RANGE_BYTES, version.bytes - offset)
                account.add(length)
                piece = await self._context.blobs.get_range(
                    upload.object_key, offset, length, version=version
                )
                hashed.update(piece)
                data.write(piece)
        except Replaced as error:
            raise _refused("The stored file was replaced while it was read.") from error
        if upload.sha256 and hashed.hexdigest() != upload.sha256:
            raise _refused("The SHA-256 of the stored file is not the announced one.")
        return data.getvalue()  # no copy: it hands out its own buffer

    def _check(self, request: pb.CreateUploadRequest) -> None:
        fields: dict[str, list[str]] = {}
        largest = self._context.settings.largest_direct_upload_bytes
        if not request.filename:
            fields["filename"] = ["The filename field is required."]
        if request.bytes < 1:
            fields["size"] = ["The size must be at least 1 byte."]
        elif request.bytes > largest:
            fields["size"] = [too_large_text(largest)]
        if request.sha256 and not SHA256.fullmatch(request.sha256):
            fields["sha256"] = ["The sha256 must have 64 hexadecimal digits."]
        if request.content_type and (
            len(request.content_type) > LONGEST_TYPE or not MEDIA_TYPE.fullmatch(request.content_type)
        ):
            fields["content_type"] = ["The content type must be a media type, such as image/jpeg."]
        if fields:
            raise errors.invalid(fields)


async def delete_expired(sessions: Sessions) -> None:
    """Delete the uploads whose time is over, a few hundred in a transaction."""
    is_left = True
    while is_left:
        async with sessions.begin() as session:
            is_left = await direct_uploads.delete_expired(session)


def _refused(text: str) -> errors.InvalidArgument:
    return errors.invalid({direct_uploads.FIELD: [text]})

"""The gRPC method for pyramids. It reads where the tiles are, which clients then fetch from the store."""

from common import errors, log, rpc, timestamps
from common.db import now
from imagefile import pyramid
from images.domain import expiry, library, previews
from images.servicer import Servicer
from images.settings import LARGEST_POSSIBLE_PIXELS
from images.tables import Image, Status
from loupe import refusals
from loupe.images.v1 import images_pb2 as pb

LOG = log.get(__name__)


class PyramidMethods(Servicer):
    async def GetPyramid(self, request: pb.GetPyramidRequest, context: rpc.Context) -> pb.GetPyramidResponse:
        async with self._sessions.begin() as session:
            image = await library.get(session, rpc.principal().user_id, request.id)
        name = f"{request.side}.pyramid"
        if image.status != Status.COMPLETED or name not in (image.previews or ()):
            raise errors.refused(refusals.PYRAMID_NOT_FOUND)
        header, places = await self._read_index(image, name)
        expires_at = now() + expiry.within_life(image, self._link_lifetime)
        return pb.GetPyramidResponse(
            url=self._sign_preview(image, name),
            expires_at=timestamps.to_proto(expires_at),
            tile=header.tile,
            levels=[
                pb.GetPyramidResponse.Level(
                    size=pb.Size(width=level.width, height=level.height),
                    columns=level.columns,
                    rows=level.rows,
                    tiles=[
                        pb.GetPyramidResponse.Tile(offset=offset, bytes=length)
                        for offset, length in places[level.first : level.first + level.columns * level.rows]
                    ],
                )
                for level in pyramid.levels(header.width, header.height, header.tile)
            ],
        )

    async def _read_index(self, image: Image, name: str) -> tuple[pyramid.Header, list[pyramid.Place]]:
        """Return where the tiles are. Raise `NotFound` if the object is missing or damaged.

        A worker wrote it, so a header that announces more tiles than any picture has is not believed.
        """
        key = previews.key_of(image, name)
        if await self._blobs.find_version(key) is None:
            raise errors.refused(refusals.PYRAMID_NOT_FOUND)
        try:
            start = await self._blobs.get_range(key, 0, pyramid.HEADER.size)
            header = pyramid.read_header(start, LARGEST_POSSIBLE_PIXELS)
        except pyramid.Damaged as error:
            LOG.warning("a pyramid is damaged", image_id=image.id, error=str(error), action="not shown")
            raise errors.refused(refusals.PYRAMID_NOT_FOUND) from error
        places = await self._blobs.get_range(key, pyramid.HEADER.size, header.index_bytes)
        return header, pyramid.read_index(places)

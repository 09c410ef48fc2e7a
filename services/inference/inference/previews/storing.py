"""Stores previews. A store that refuses them costs the image its previews, and nothing else."""

import asyncio
from collections.abc import Mapping

from common import log
from common.blobs import STORE_ERRORS, Blobs
from imagefile import pyramid
from imagefile.formats import media_type
from inference.store_outage import Outage

LOG = log.get(__name__)


async def store_previews(blobs: Blobs, path: str, files: Mapping[str, bytes], outage: Outage) -> list[str]:
    """Store the files below keys that begin with `path`. Return the names of those that are stored."""
    stored = await asyncio.gather(*(_store(blobs, path, name, data, outage) for name, data in files.items()))
    return [name for name, is_stored in zip(files, stored, strict=True) if is_stored]


async def _store(blobs: Blobs, path: str, name: str, data: bytes, outage: Outage) -> bool:
    kind = pyramid.MEDIA_TYPE if name.endswith(".pyramid") else media_type("WEBP")
    try:
        await outage.outlast(lambda: blobs.put(f"{path}.{name}", data, kind))
    except STORE_ERRORS as error:
        LOG.warning(
            "could not store a preview; the image completes without it", preview=name, error=str(error)
        )
        return False
    return True

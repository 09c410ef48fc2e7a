"""The chunks of a WebP file (RFC 9649)."""

import struct
from collections.abc import Iterator

from imagefile import exif
from imagefile.parser_bombs import limited

FRAME, LOSSY, LOSSLESS = b"ANMF", b"VP8 ", b"VP8L"
METADATA = (b"EXIF", b"XMP ")
"""Chunks that follow the pictures."""
HEADER_BYTES, FRAME_HEADER_BYTES = 12, 16
MOST_CHUNKS = 64
"""Chunks without a frame between them. The format defines nine kinds."""
MOST_TOP_CHUNKS = 20_000


def chunk_kinds(data: bytes) -> Iterator[bytes]:
    """Yield the kinds of all chunks, those within the frames of an animation included."""
    position = HEADER_BYTES
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind
        position += 8 + (FRAME_HEADER_BYTES if kind == FRAME else length + length % 2)


def walk(data: bytes) -> None:
    """Raise `ParserBomb` for a file of too many chunks, or for EXIF data with too much in it."""
    position, entries = HEADER_BYTES, exif.count_entries()
    for _ in limited(MOST_TOP_CHUNKS, "chunks"):
        if position + 8 > len(data):
            return
        kind, length = struct.unpack_from("<4sI", data, position)
        if kind == METADATA[0]:
            exif.walk(data[position + 8 : position + 8 + length], entries)
        position += 8 + (FRAME_HEADER_BYTES if kind == FRAME else length + length % 2)


def is_complete(data: bytes) -> bool:
    """Return whether the pictures are not cut off. What follows them may be."""
    whole = for_decoder(data)
    return any(kind in (LOSSY, LOSSLESS, FRAME) for kind in chunk_kinds(whole))


def for_decoder(data: bytes) -> bytes:
    """Return the file. If it is cut off after its pictures, return it without the chunk that is cut off.

    Return only the header if a picture is cut off, or if frames may be missing.
    """
    if len(data) >= struct.unpack_from("<I", data, 4)[0] + 8:
        return data
    position, kinds, is_in_metadata = HEADER_BYTES, set[bytes](), False
    for _ in limited(MOST_TOP_CHUNKS, "chunks"):
        if position + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        if position + 8 + length > len(data):
            is_in_metadata = kind in METADATA
            kinds.add(kind)
            break
        kinds.add(kind)
        position += 8 + length + length % 2
    if not is_in_metadata and (FRAME in kinds or position + 8 <= len(data)):
        return data[:HEADER_BYTES]
    kept = data[HEADER_BYTES:position].ljust(position - HEADER_BYTES, b"\0")
    return data[:4] + struct.pack("<I", len(kept) + 4) + data[8:HEADER_BYTES] + kept


def is_lossy(data: bytes) -> bool:
    """Return whether any picture is lossy. Return False if a picture or frame has too many chunks."""
    kinds, since_frame = set[bytes](), 0
    for kind in chunk_kinds(data):
        kinds.add(kind)
        since_frame = 0 if kind == FRAME else since_frame + 1
        if since_frame > MOST_CHUNKS:
            return False
    return LOSSLESS not in kinds or LOSSY in kinds

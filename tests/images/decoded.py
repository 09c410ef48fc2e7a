"""The size of a picture as the decoder finds it, without a child process."""

from inference.decoding.decoders import decode

MOST_PIXELS = 50_000_000


def decoded_size(data: bytes) -> tuple[int, int]:
    """Raise what the decoder raises."""
    header = decode(data, MOST_PIXELS).header
    return header["width"], header["height"]

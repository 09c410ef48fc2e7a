"""Reads the size of a picture with the worker's decoder, in this process."""

from inference.decoding.decoders import decode

MOST_PIXELS = 50_000_000


def decoded_size(data: bytes) -> tuple[int, int]:
    """Return width and height of the upright picture. Errors of the decoder pass through."""
    header = decode(data, MOST_PIXELS).header
    return header["width"], header["height"]

"""Encodes the rows of a result, or the frames of an animation, to the bytes of a file."""

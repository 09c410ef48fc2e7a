"""Previews and pyramids: what a browser shows of an original and of a result."""

"""Compares Loupe with what people would use instead: `make bench-peers`."""

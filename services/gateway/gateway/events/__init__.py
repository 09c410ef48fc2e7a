"""This package follows what happens to images and batches, and wakes everybody who waits for it."""

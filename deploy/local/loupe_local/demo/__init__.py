"""`make demo`: upscale one's own photos through the whole system, and compare before and after."""

from loupe_local.demo.command import run
from loupe_local.demo.errors import DemoFailed
from loupe_local.demo.paths import PHOTO

__all__ = ("PHOTO", "DemoFailed", "run")

"""Gives the memory of a network back to the system while no tiles come.

A network holds the memory that its largest tile took, up to 700 MB, because taking it anew costs a fifth of a
tile's time. Without this, each network that was ever used would hold its share for ever.
"""

import ctypes
import threading
import traceback
from collections.abc import Callable

IDLE_SECONDS = 5.0
"""The time without a tile after which memory is released."""


class IdleRelease:
    """A lock for each use of a network, and a thread that calls `release` when there was no use for a while.

    `release` never runs during a use. It is called once after the last of them.
    """

    def __init__(self, release: Callable[[], None], seconds: float = IDLE_SECONDS) -> None:
        self._release = release
        self._seconds = seconds
        self._changed = threading.Condition()
        self._uses = 0
        """How often it was used. It is -1 once the thread must end."""
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def __enter__(self) -> None:
        self._changed.acquire()

    def __exit__(self, *_: object) -> None:
        self._uses += 1
        self._changed.notify()
        self._changed.release()

    def close(self) -> None:
        with self._changed:
            self._uses = -1
            self._changed.notify()
        self._thread.join()

    def _watch(self) -> None:
        released = 0
        with self._changed:
            while self._uses >= 0:
                seen = self._uses
                if seen == released:
                    self._changed.wait()
                elif not self._changed.wait(self._seconds) and seen == self._uses:
                    self._try_to_release()
                    released = seen

    def _try_to_release(self) -> None:
        """Release the memory. After an error the network keeps it, and this thread goes on."""
        try:
            self._release()
        except Exception:  # noqa: BLE001  no kind of error may end the thread
            traceback.print_exc()


def return_free_memory() -> None:
    """Return what the allocator of the C library holds without need. Another C library has its own way."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim:
        trim(0)

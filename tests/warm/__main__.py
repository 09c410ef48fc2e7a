"""`python -m tests.warm` keeps a test stack warm until Ctrl-C. `make test-stack` runs it."""

import asyncio
import os
import signal
import sys

from loupe_local.accounts import AccountFailed
from loupe_local.component import NotReady
from loupe_local.services import MigrationFailed
from tests.warm.folder import FOLDER, AlreadyRunning, lock
from tests.warm.server import say, serve

LOCK = "LOUPE_TEST_STACK_LOCK"
"""The variable with the descriptor of the lock after the server has replaced itself."""


async def until_signal() -> str | None:
    """Return why the stack must start again, or None after a signal to stop."""
    task, loop = asyncio.create_task(serve(FOLDER)), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: task.cancelling() or task.cancel())
    try:
        return await task
    except asyncio.CancelledError:
        return None


def main() -> None:
    try:
        held = int(os.environ.pop(LOCK, "0")) or lock(FOLDER)
        reason = asyncio.run(until_signal())
    except (AlreadyRunning, NotReady, AccountFailed, MigrationFailed) as error:
        sys.exit(f"loupe: {error}")
    if reason is None:
        say("the test stack has stopped")
        return
    say(f"the test stack starts again: {reason}")
    os.set_inheritable(held, True)
    # a new process, because our own code may be what has changed
    os.execve(sys.executable, [sys.executable, "-m", "tests.warm"], os.environ | {LOCK: str(held)})  # noqa: S606


if __name__ == "__main__":
    main()

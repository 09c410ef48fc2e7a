"""`python -m loupe_local up` runs Loupe in the foreground; `… demo` upscales one photo with it and ends."""

import argparse
import asyncio
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path

from loupe_local import demo
from loupe_local.accounts import AccountFailed
from loupe_local.component import NotReady
from loupe_local.services import MigrationFailed
from loupe_local.stack import Stack, stack
from loupe_local.state import FOLDER, REPOSITORY, AlreadyRunning

INTERRUPTED = 130
"""What a shell says of a program that Ctrl-C ended."""

READY = """
Loupe is ready at {api}

  export TOKEN='{token}'
  curl -s {api}/api/images/upscale -H "Authorization: Bearer $TOKEN" -F image=@{photo} -F scale_factor=4
  ID=...    # "id" in the answer
  curl -s {api}/api/images/$ID -H "Authorization: Bearer $TOKEN"
  curl -s {api}/api/images/$ID/download -H "Authorization: Bearer $TOKEN"

Addresses and tokens are in .loupe/local.json too. Ctrl-C stops everything.
"""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loupe_local", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    parser.add_argument("--state", type=Path, default=FOLDER, help="where data, secrets and logs are kept")
    commands.add_parser("up")
    trying = commands.add_parser("demo")
    trying.add_argument("--photo", type=Path, default=demo.PHOTO)
    trying.add_argument("--scale", type=int, default=4, choices=(2, 3, 4))
    arguments = parser.parse_args()
    work = (
        up(arguments.state)
        if arguments.command == "up"
        else demo.run(arguments.state, arguments.photo, arguments.scale)
    )
    try:
        is_done = asyncio.run(until_told(work))
    except (AlreadyRunning, NotReady, demo.DemoFailed, AccountFailed, MigrationFailed) as error:
        sys.exit(f"loupe: {error}")
    if not is_done:
        print("stopped")
        sys.exit(0 if arguments.command == "up" else INTERRUPTED)


async def until_told(work: Coroutine[None, None, None]) -> bool:
    """Runs it to its end, unless Ctrl-C or SIGTERM comes, also while it is still starting."""
    task, loop = asyncio.create_task(work), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _cancel_once, task)
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True


async def up(folder: Path) -> None:
    async with stack(folder) as running:
        tell(running)
        await asyncio.Event().wait()


def tell(running: Stack) -> None:
    photo = demo.PHOTO.relative_to(REPOSITORY)
    print(READY.format(api=running.api, token=running.token, photo=photo), flush=True)


def _cancel_once(task: asyncio.Task[None]) -> None:
    """A second Ctrl-C must not cut the stopping short."""
    if not task.cancelling():
        task.cancel()


if __name__ == "__main__":
    main()

"""`python -m loupe_local up` runs Loupe in the foreground. `… demo` upscales one photo, then stops Loupe."""

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
"""The exit status of a program that Ctrl-C stopped."""

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
    parser.add_argument("--state", type=Path, default=FOLDER, help="folder for data, secrets and logs")
    commands.add_parser("up", help="run Loupe until Ctrl-C")
    demo_options = commands.add_parser("demo", help="start Loupe, upscale one photo, and stop Loupe")
    demo_options.add_argument("--photo", help="the picture, or the folder of pictures, to upscale")
    demo_options.add_argument("--scale", help="the scale factor; the default is the largest that is possible")
    demo_options.add_argument("--only-check", action="store_true", help="check the options only")
    arguments = parser.parse_args()
    command = (
        up(arguments.state)
        if arguments.command == "up"
        else demo.run(arguments.state, arguments.photo, arguments.scale, only_check=arguments.only_check)
    )
    try:
        is_finished = asyncio.run(run_until_signal(command))
    except (AlreadyRunning, NotReady, demo.DemoFailed, AccountFailed, MigrationFailed) as error:
        sys.exit(f"loupe: {error}")
    if not is_finished:
        print("Loupe has stopped." if arguments.command == "up" else "The demo was interrupted.")
        sys.exit(0 if arguments.command == "up" else INTERRUPTED)


async def run_until_signal(command: Coroutine[None, None, None]) -> bool:
    """Return whether the command finished before Ctrl-C or SIGTERM came. Either may come while it starts."""
    task, loop = asyncio.create_task(command), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _cancel_once, task)
    try:
        await task
    except asyncio.CancelledError:
        return False
    return True


async def up(folder: Path) -> None:
    async with stack(folder) as running:
        print_ready(running)
        await asyncio.Event().wait()


def print_ready(running: Stack) -> None:
    photo = demo.PHOTO.relative_to(REPOSITORY)
    print(READY.format(api=running.api, token=running.token, photo=photo), flush=True)


def _cancel_once(task: asyncio.Task[None]) -> None:
    """Cancel the task at the first signal only: a second Ctrl-C must not interrupt the orderly stop."""
    if not task.cancelling():
        task.cancel()


if __name__ == "__main__":
    main()

"""`python -m loupe_local up` runs Loupe in the foreground; `… demo` upscales one photo with it and ends."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from loupe_local import demo
from loupe_local.component import NotReady
from loupe_local.stack import Stack, stack
from loupe_local.state import FOLDER, REPOSITORY, AlreadyRunning

READY = """
Loupe is ready at {api}

  export TOKEN='{token}'
  curl -s {api}/api/images/upscale -H "Authorization: Bearer $TOKEN" -F image=@{photo} -F scale_factor=4
  curl -s {api}/api/images/1 -H "Authorization: Bearer $TOKEN"
  curl -s {api}/api/images/1/download -H "Authorization: Bearer $TOKEN"

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
    try:
        if arguments.command == "up":
            asyncio.run(up(arguments.state))
        else:
            asyncio.run(demo.run(arguments.state, arguments.photo, arguments.scale))
    except (AlreadyRunning, NotReady, demo.DemoFailed) as error:
        sys.exit(f"loupe: {error}")


async def up(folder: Path) -> None:
    """Until Ctrl-C or SIGTERM, also while it is still starting."""
    main_task, loop = asyncio.current_task(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _cancel_once, main_task)
    try:
        async with stack(folder) as running:
            tell(running)
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        print("stopped")


def tell(running: Stack) -> None:
    photo = demo.PHOTO.relative_to(REPOSITORY)
    print(READY.format(api=running.api, token=running.token, photo=photo), flush=True)


def _cancel_once(task: asyncio.Task[None] | None) -> None:
    """A second Ctrl-C must not cut the stopping short."""
    if task and not task.cancelling():
        task.cancel()


if __name__ == "__main__":
    main()

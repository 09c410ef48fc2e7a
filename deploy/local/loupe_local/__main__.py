"""`python -m loupe_local up` runs Loupe in the foreground. `… demo` upscales one photo, then stops Loupe.

`… logs` prints the logs of its processes.
"""

import signal

if __name__ == "__main__":  # until the loop handles Ctrl-C, it must not interrupt an import with a traceback
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import asyncio
import os
import sys
from collections.abc import Coroutine
from io import TextIOWrapper
from pathlib import Path
from typing import cast

from loupe_local import demo, image_lines, port_option
from loupe_local.accounts import AccountFailed, first_run_code, passwords
from loupe_local.component import NotReady
from loupe_local.error_lines import ErrorLines
from loupe_local.follow import NoSuchLog, follow
from loupe_local.log import FOLDER_NAME, to_folder
from loupe_local.port_option import PortRefused
from loupe_local.services import CONSOLE, MigrationFailed
from loupe_local.stack import Stack, stack
from loupe_local.stages import on_terminal
from loupe_local.state import FOLDER, REPOSITORY, AlreadyRunning

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C stopped."""

READY = """
Loupe is ready at {api}{moved}

{console}  API reference  {api}/docs
  users          jane@example.com and omar@example.com, {quota}
  passwords      "passwords" in {script_file}
  mails          {mails}, one file each
  operators      .venv/bin/loupe-admin --help
{first_run}  logs           {logs}; `make logs` follows them

  export API='{api}' TOKEN='{token}'
  curl --fail-with-body "$API/api/images/upscale" -H "Authorization: Bearer $TOKEN" \\
    -F image=@{photo} -F scale_factor=4
  ID='…'       # "id" in the answer
  curl --fail-with-body "$API/api/images/$ID" -H "Authorization: Bearer $TOKEN"
  LINK='…'     # "download_url" in the answer, once its "status" is "completed"
  curl --fail --output upscaled.png "$LINK"

Scripts find addresses and tokens in {script_file}. Ctrl-C stops everything.
Each image that ends, and each thing that goes wrong, gets a line here.
"""
CONSOLE_LINES = """\
  console        {api}/console
  sign in        {email}, password {password}, unless you have changed it
"""
FIRST_RUN = "  first run      code {code} for the first operator, whose account the console makes\n"
REFUSALS = (AlreadyRunning, NotReady, demo.DemoFailed, AccountFailed, MigrationFailed, PortRefused, NoSuchLog)
"""Errors whose message is for the person who started us."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m loupe_local", description=__doc__)
    commands = parser.add_subparsers(required=True, dest="command")
    parser.add_argument("--state", type=Path, default=FOLDER, help="folder for data, secrets and logs")
    up_options = commands.add_parser("up", help="run Loupe until Ctrl-C")
    up_options.add_argument(
        "--port", default="", help="the port of the API; the default is that of the last run"
    )
    logs_options = commands.add_parser("logs", help="print the logs, and follow them while Loupe runs")
    logs_options.add_argument("name", nargs="?", default="", help="the log of this process only")
    demo_options = commands.add_parser("demo", help="start Loupe, upscale one photo, and stop Loupe")
    demo_options.add_argument("--photo", help="the picture, or the folder of pictures, to upscale")
    demo_options.add_argument("--scale", help="the scale factor; the default is the largest that is possible")
    demo_options.add_argument("--only-check", action="store_true", help="check the options only")
    arguments = parser.parse_args()
    for stream in (sys.stdout, sys.stderr):
        cast("TextIOWrapper", stream).reconfigure(errors="replace")  # the terminal may know no `…`
    try:
        is_finished = asyncio.run(run_until_signal(_command(arguments)))
    except REFUSALS as error:
        sys.exit(f"loupe: {error}")
    except BrokenPipeError:  # `make logs | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    if not is_finished and arguments.command != "logs":
        print("Loupe has stopped." if arguments.command == "up" else "The demo was interrupted.")
        sys.exit(0 if arguments.command == "up" else INTERRUPTED)


def _command(arguments: argparse.Namespace) -> Coroutine[None, None, None]:
    match arguments.command:
        case "up":
            return up(arguments.state, arguments.port)
        case "logs":
            return follow(arguments.state, arguments.name)
        case _:
            return demo.run(
                arguments.state, arguments.photo, arguments.scale, only_check=arguments.only_check
            )


async def run_until_signal(command: Coroutine[None, None, None]) -> bool:
    """Return whether the command finished before Ctrl-C or SIGTERM came. Either may come while it starts."""
    task, loop = asyncio.create_task(command), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, _cancel_once, task)
    try:
        await task
    except asyncio.CancelledError:
        return False
    finally:
        # one more signal while Python exits must not print a traceback
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
    return True


async def up(folder: Path, port: str = "") -> None:
    chosen_port = port_option.parse(port) if port else None
    stages = on_terminal()
    sink = ErrorLines(to_folder(folder / FOLDER_NAME), stages.say)
    async with (
        stack(folder, sink=sink, stages=stages, port=chosen_port) as running,
        image_lines.printed(running.stores, stages.say),
    ):
        print_ready(running, folder, await first_run_code(running.services))
        sink.is_on = True
        try:
            await asyncio.Event().wait()
        finally:
            sink.is_on = False


def print_ready(running: Stack, folder: Path, code: str) -> None:
    moved = _moved(running) if running.moved_from else ""
    text = READY.format(
        api=running.api,
        moved=moved,
        console=_console_lines(running) if CONSOLE.is_dir() else "",
        first_run=FIRST_RUN.format(code=code) if code else "",
        token=running.token,
        mails=_shown(running.stores.mails),
        logs=_shown(folder.absolute() / FOLDER_NAME),
        quota="with the quota of their plan" if running.services.has_quotas else "no monthly quota",
        photo=demo.PHOTO.relative_to(REPOSITORY),
        script_file=_shown(folder.absolute().parent / "local.json"),
    )
    print(text, flush=True)


def _console_lines(running: Stack) -> str:
    email, password = next(iter(passwords(running.stores.supervisor.state).items()))
    return CONSOLE_LINES.format(api=running.api, email=email, password=password)


def _moved(running: Stack) -> str:
    new = running.services.ports["gateway"]
    return f"\nPort {running.moved_from} is taken; Loupe listens on {new} now."


def _shown(path: Path) -> str:
    return str(path.relative_to(REPOSITORY)) if path.is_relative_to(REPOSITORY) else str(path)


def _cancel_once(task: asyncio.Task[None]) -> None:
    """Cancel the task at the first signal only: a second Ctrl-C must not interrupt the orderly stop."""
    if not task.cancelling():
        task.cancel()


if __name__ == "__main__":
    main()

"""The commands of `loupe`, and what their errors become."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from loupe_client.command import account, assistants, exits, images, listening, upscale
from loupe_client.errors import ApiError, LoupeError
from loupe_client.version import VERSION

CLICK_ERROR: Any = next(kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException")
"""Any error in the command line. Some versions of typer use the package click, and others bring their own."""
app = typer.Typer(
    name="loupe",
    help="Upscale pictures with Loupe.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def print_version(is_wanted: bool) -> None:
    if is_wanted:
        print(f"loupe {VERSION}")
        raise typer.Exit


@app.callback()
def loupe(
    _version: Annotated[
        bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Upscale pictures with Loupe."""


upscale.register(app)
images.register(app)
account.register(app)
listening.register(app)
assistants.register(app)


def run(arguments: Sequence[str]) -> int:
    """Run a command, and return its exit code. Errors are one sentence on standard error."""
    try:
        result = app(args=list(arguments), prog_name="loupe", standalone_mode=False)
        sys.stdout.flush()
    except (typer.Abort, KeyboardInterrupt):
        return exits.INTERRUPTED
    except typer.Exit as end:
        return end.exit_code
    except CLICK_ERROR as error:
        error.show()
        return exits.USAGE
    except (SystemExit, BrokenPipeError) as end:
        return code_of_exit(end)
    except (LoupeError, OSError) as error:
        return report(error, as_json="--json" in arguments)
    return result if isinstance(result, int) else exits.DONE


def report(error: LoupeError | OSError, *, as_json: bool) -> int:
    """Print an error, and return its exit code. An `OSError` is about a user's file, or about the output."""
    if isinstance(error, LoupeError):
        tell(error, as_json=as_json)
        return exits.code_of(error)
    reason = error.strerror or str(error)
    tell(LoupeError(f"{error.filename}: {reason}" if error.filename else f"{reason}."), as_json=as_json)
    drop_output()
    return exits.SOME_FAILED


def code_of_exit(end: SystemExit | BrokenPipeError) -> int:
    """Return the exit code after completion, or after a broken pipe, as in `loupe ls | head`.

    Typer makes an exit of a broken pipe.
    """
    if isinstance(end, SystemExit) and not isinstance(end.__context__, BrokenPipeError):
        return int(end.code or exits.DONE)
    drop_output()
    return exits.OUTPUT_CLOSED


def drop_output() -> None:
    """Send what is left of standard output nowhere, because it cannot be written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def tell(error: LoupeError, *, as_json: bool) -> None:
    """Print an error for a person, or as JSON."""
    if as_json:
        line = {"event": "error", "error": type(error).__name__, "message": str(error)}
        if isinstance(error, ApiError):
            line |= {"code": error.code, "request_id": error.request_id}
        print(json.dumps(line), file=sys.stderr)
        return
    print(f"loupe: {error}", file=sys.stderr)
    if advice := exits.advice_of(error):
        print(f"loupe: {advice}", file=sys.stderr)
    if isinstance(error, ApiError) and error.status >= 500 and error.request_id:
        print(f"loupe: the operator finds this request as {error.request_id}", file=sys.stderr)

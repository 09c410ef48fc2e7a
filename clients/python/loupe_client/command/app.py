"""The commands of `loupe`, and what their errors become."""

import json
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
    except (typer.Abort, KeyboardInterrupt):
        return exits.INTERRUPTED
    except typer.Exit as end:
        return end.exit_code
    except CLICK_ERROR as error:
        error.show()
        return exits.USAGE
    except LoupeError as error:
        tell(error, as_json="--json" in arguments)
        return exits.code_of(error)
    except BrokenPipeError:  # `loupe ls | head` has read enough
        sys.stderr.close()
        return exits.DONE
    return result if isinstance(result, int) else exits.DONE


def tell(error: LoupeError, *, as_json: bool) -> None:
    """Print an error for a person, or as JSON."""
    if as_json:
        line = {"event": "error", "error": type(error).__name__, "message": str(error)}
        if isinstance(error, ApiError):
            line |= {"code": error.code, "request_id": error.request_id}
        print(json.dumps(line), file=sys.stderr)
        return
    print(f"loupe: {error}", file=sys.stderr)
    if isinstance(error, ApiError) and error.status >= 500 and error.request_id:
        print(f"loupe: the operator finds this request as {error.request_id}", file=sys.stderr)

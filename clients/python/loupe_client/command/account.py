"""`login`, `logout`, `usage`, `models`, `tokens`: what concerns the account and the server."""

import getpass
import operator
import platform
import sys
from datetime import datetime
from typing import Annotated

import typer

from loupe_client import Loupe, errors
from loupe_client.command.context import (
    QUICK_RETRIES,
    Columns,
    JsonOption,
    ServerOption,
    client_of,
    print_json,
    show,
)
from loupe_client.servers import Server, checked, find_server, profile_path, write_profile

tokens_app = typer.Typer(help="List, create and revoke API tokens.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    for command in (login, logout, usage, models):
        app.command()(command)
    app.add_typer(tokens_app, name="tokens")


def login(
    server: ServerOption = None,
    email: Annotated[
        str | None, typer.Option(help="The address of the account; otherwise it is asked for.")
    ] = None,
    with_token: Annotated[
        bool, typer.Option("--with-token", help="Read an API token from standard input.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Log in, and store address and token in a file that only you can read."""
    url = checked(server) if server else found_or_asked()
    token = sys.stdin.readline().strip() if with_token else token_by_password(url, email)
    with Loupe(url, token or "-", retries=QUICK_RETRIES) as client:
        user = client.account.get()
    path = write_profile(Server(url, token))
    if as_json:
        print_json({"server": url, "email": user.email, "profile": str(path)})
    else:
        print(f"Logged in at {url} as {user.email}. The token is in {path}.")


def found_or_asked() -> str:
    """Return the server that is known already, or else the one that the user types."""
    try:
        return find_server().url
    except errors.NotConfigured:
        if not sys.stdin.isatty():
            raise errors.NotConfigured("Name the server: loupe login --server https://…") from None
        return checked(input("Server: "))


def token_by_password(url: str, email: str | None) -> str:
    """Return a new token for address and password. On a terminal they are asked for, else read."""
    is_asked = sys.stdin.isatty()
    address = email or (input("E-mail: ") if is_asked else sys.stdin.readline().strip())
    password = getpass.getpass("Password: ") if is_asked else sys.stdin.readline().rstrip("\n")
    device = f"loupe on {platform.node() or 'a computer'}"[:255]
    with Loupe(url, "-", retries=QUICK_RETRIES) as client:
        try:
            return client.account.login(address, password, device_name=device).token
        except errors.SecondFactorRequired:
            code = input("Code: ") if is_asked else sys.stdin.readline().strip()
            return client.account.login(address, password, otp=code, device_name=device).token


def logout() -> None:
    """Revoke the token of the profile, and delete the profile."""
    path = profile_path()
    if not path.exists():
        raise errors.NotConfigured("Nobody is logged in.")
    try:
        with client_of(None) as client:
            client.account.logout()
    except errors.Unauthenticated:
        pass  # it was revoked before
    path.unlink()
    print("Logged out.")


def usage(
    history: Annotated[
        str | None, typer.Option(metavar="day|month", help="List the images by day or by month.")
    ] = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show how many images of this month are used, and how many are left."""
    with client_of(server) as client:
        if history is not None:
            if history not in ("day", "month"):
                raise typer.BadParameter("it is day or month", param_hint="--history")
            entries = client.account.usage_history(by="day" if history == "day" else "month").entries
            names = ("start", "accepted", "completed", "returned", "used")
            show(entries, {name: operator.attrgetter(name) for name in names}, as_json=as_json)
            return
        found = client.account.usage()
    if as_json:
        print_json(found)
        return
    images = found.image_uploads
    limit = "without a limit" if images.unlimited else f"of {images.limit}; {images.remaining} are left"
    print(f"{images.used} images used this month, {limit}. The plan is {found.plan}.")
    print(f"The next month begins on {images.resets_at:%Y-%m-%d} (UTC).")


def models(server: ServerOption = None, as_json: JsonOption = False) -> None:
    """List the models of the server."""
    with Loupe(server, retries=QUICK_RETRIES) as client:
        found = client.models()
    columns: Columns = {
        "name": lambda each: each.name,
        "best for": lambda each: each.best_for,
        "scales": lambda each: ", ".join(str(scale) for scale in each.scales),
        "description": lambda each: each.description,
    }
    show(found, columns, as_json=as_json)


@tokens_app.command("list")
def list_tokens(server: ServerOption = None, as_json: JsonOption = False) -> None:
    """List your API tokens."""
    with client_of(server) as client:
        found = client.tokens.list()
    columns: Columns = {
        "id": lambda each: each.id,
        "name": lambda each: each.name,
        "abilities": lambda each: ", ".join(each.abilities),
        "last used": lambda each: day_of(each.last_used_at),
        "expires": lambda each: day_of(each.expires_at),
    }
    show(found, columns, as_json=as_json)


@tokens_app.command("create")
def create_token(
    name: Annotated[str, typer.Argument(help="A name by which you recognise it.")],
    ability: Annotated[
        list[str] | None,
        typer.Option(help="images:read, images:write, images:delete, user:read; by default all."),
    ] = None,
    expires: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="The last day (UTC).")
    ] = None,
    server: ServerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an API token. Its text is shown only this once."""
    until = f"{expires:%Y-%m-%dT23:59:59Z}" if expires else None
    with client_of(server) as client:
        at = datetime.fromisoformat(until.replace("Z", "+00:00")) if until else None
        created = client.tokens.create(name, abilities=ability or None, expires_at=at)
    if as_json:
        print_json(created)
    else:
        print(created.plain_text)


@tokens_app.command("revoke")
def revoke_tokens(
    ids: Annotated[list[int], typer.Argument(metavar="ID…")], server: ServerOption = None
) -> None:
    """Revoke API tokens."""
    with client_of(server) as client:
        for token_id in ids:
            client.tokens.revoke(token_id)
            print(f"revoked {token_id}")


def day_of(instant: datetime | None) -> str:
    return f"{instant:%Y-%m-%d %H:%M}" if instant else ""

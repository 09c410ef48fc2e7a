"""Finds the server to use, and the user's token for it.

The first of these counts: what the caller gives, the environment (`LOUPE_URL`, `LOUPE_TOKEN`), the profile
that `loupe login` has written, and a Loupe that `make up` runs in this clone.
"""

import ipaddress
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from loupe_client.errors import InvalidInput, NotConfigured

LOCAL_STACK = Path(".loupe") / "local.json"
"""The file in which `make up` describes the Loupe that it runs, below the folder of the clone."""


@dataclass(frozen=True)
class Server:
    """A Loupe, and the token to use it with."""

    url: str
    """Its address without a path, such as `https://loupe.example.com`."""
    token: str = field(default="", repr=False)
    found_in: str = "the call"
    """The place where the address was found, for a person."""


def find_server(
    url: str | None = None,
    token: str | None = None,
    *,
    environment: Mapping[str, str] = os.environ,
    folder: Path | None = None,
) -> Server:
    """Return the server to use. Raise `NotConfigured` if none is known.

    A stored token is only sent to the server that it was stored for. `folder` is where the search for a local
    Loupe begins; by default the current one.
    """
    if url is None and (given := environment.get("LOUPE_URL")):
        return Server(checked(given), token or environment.get("LOUPE_TOKEN", ""), "LOUPE_URL")
    if url is not None:
        address = checked(url)
        known = read_profile(environment) or local_stack(folder)
        stored = known.token if known and known.url == address else ""
        return Server(address, token or environment.get("LOUPE_TOKEN") or stored)
    if known := read_profile(environment) or local_stack(folder):
        return Server(known.url, token or environment.get("LOUPE_TOKEN") or known.token, known.found_in)
    raise NotConfigured(
        "No server is known. Run `loupe login --server https://…`, or set LOUPE_URL and LOUPE_TOKEN. "
        "A local Loupe is found while `make up` runs, from inside its clone."
    )


def checked(url: str) -> str:
    """Return an address without its trailing slash and without `/api`. Raise `InvalidInput` if it is none."""
    text = url.strip().rstrip("/").removesuffix("/api").rstrip("/")
    try:
        parts = urlsplit(text)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise InvalidInput(f"{url!r} is no address of a server. It begins with https:// or http://.")
    return text


def is_loopback(url: str) -> bool:
    """Return whether the server runs on this machine. No proxy is used for it."""
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def profile_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the file in which `loupe login` stores address and token."""
    if chosen := environment.get("LOUPE_PROFILE"):
        return Path(chosen)
    configuration = environment.get("XDG_CONFIG_HOME") or Path(environment.get("HOME", "~")) / ".config"
    return Path(configuration).expanduser() / "loupe" / "profile.json"


def read_profile(environment: Mapping[str, str] = os.environ) -> Server | None:
    """Return the server of the profile; None if there is no profile."""
    path = profile_path(environment)
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        return Server(str(stored["url"]), str(stored["token"]), str(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise NotConfigured(
            f"The profile {path} cannot be read: {error}. `loupe login` writes a new one."
        ) from error


def write_profile(server: Server, environment: Mapping[str, str] = os.environ) -> Path:
    """Store address and token where only this user can read them, and return the path."""
    path = profile_path(environment)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump({"url": server.url, "token": server.token}, file)
    temporary.replace(path)
    return path


def local_stack(folder: Path | None = None) -> Server | None:
    """Return the Loupe that `make up` runs in a clone which contains the folder; None if there is none."""
    start = (folder or Path.cwd()).absolute()
    for parent in (start, *start.parents):
        path = parent / LOCAL_STACK
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            found = Server(str(described["api"]), str(described["token"]), str(path))
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if is_loopback(found.url):  # a folder of a stranger must not send pictures elsewhere
            return found
    return None

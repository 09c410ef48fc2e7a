"""Reads where the services are and the secret of the operator, and opens channels to the services.

Needed are LOUPE_AUTH_TARGET, LOUPE_BILLING_TARGET, LOUPE_IMAGES_TARGET and LOUPE_OPERATOR_SECRET, and for
webhooks LOUPE_OUTBOUND_TARGET. If services use TLS among themselves, LOUPE_TLS_CERTIFICATE, LOUPE_TLS_KEY and
LOUPE_TLS_AUTHORITY are needed too. A local stack provides what is not set. It is looked for in the current
folder and its parents, then in the repository to which this installation belongs.
"""

import contextlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from google.protobuf.descriptor import ServiceDescriptor
from pydantic import SecretStr

from common import errors
from common.channel import Channel, TokenSource
from common.credentials import Credentials
from common.tls import Tls
from gateway.admin import failures
from gateway.admin.failures import CommandFailed

LOCAL_STACK = Path(".loupe/local.json")
REQUIRED_NAMES = ("auth_target", "billing_target", "images_target", "operator_secret")
OPTIONAL_NAMES = ("outbound_target",)
"""Only the commands for webhooks need it."""
TLS_FILES = ("tls_certificate", "tls_key", "tls_authority")


def read_settings() -> dict[str, str]:
    """Return the settings from the environment, and those that are not set from a local stack."""
    found = {
        name: os.environ.get(variable(name), "") for name in (*REQUIRED_NAMES, *OPTIONAL_NAMES, *TLS_FILES)
    }
    missing = [variable(name) for name in REQUIRED_NAMES if not found[name]]
    if not missing:
        return found
    for folder in _folders():
        with contextlib.suppress(OSError):
            text = (folder / LOCAL_STACK).read_text()
            return _admin_settings(folder / LOCAL_STACK, text) | {
                name: value for name, value in found.items() if value
            }
    raise CommandFailed(
        f"No local stack is running, and these variables are not set: {', '.join(missing)}. "
        "Start one with `make up`, or set the variables."
    )


def variable(name: str) -> str:
    """Return the name of the environment variable for a setting."""
    return f"LOUPE_{name.upper()}"


def _folders() -> Iterator[Path]:
    """Yield the current folder, if it still exists, and its parents, then the folders around this file."""
    with contextlib.suppress(FileNotFoundError):
        yield from (Path.cwd(), *Path.cwd().parents)
    yield from Path(__file__).parents


def _admin_settings(file: Path, text: str) -> dict[str, str]:
    try:
        settings: dict[str, str] = dict(json.loads(text)["admin"])
        return {name: settings[name] for name in REQUIRED_NAMES} | settings
    except (ValueError, KeyError, TypeError) as error:
        raise CommandFailed(f"{file} does not describe a local stack; start it again.") from error


class ServiceChannel(Channel):
    """A channel whose errors name the service and its address."""

    def __init__(
        self, name: str, target: str, service: ServiceDescriptor, token: TokenSource, *, tls: Tls | None
    ) -> None:
        super().__init__(target, service, token, tls=tls)
        self._name = name
        self._target = target

    def unary_unary(self, name: str, *args: Any, **kwargs: Any) -> Any:
        call = super().unary_unary(name, *args, **kwargs)

        async def named(request: Any, **options: Any) -> Any:
            try:
                return await call(request, **options)
            except errors.ServiceError as error:
                raise failures.of_service(self._name, self._target, error) from error

        return named


class Connection:
    """Opens channels to the services, as the principal `operator`."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        self._settings = settings
        self._tls = _read_tls(settings)
        secret = SecretStr(settings["operator_secret"])
        self._credentials = Credentials(settings["auth_target"], "operator", secret, tls=self._tls)

    def channel(self, name: str, service: ServiceDescriptor) -> Channel:
        token = self._credentials.token_for(name)
        auth_target = self._settings["auth_target"]
        target = self._settings.get(f"{name}_target")
        if not target:
            raise CommandFailed(f"{variable(f'{name}_target')} is not set.")

        async def named_token() -> str:
            try:
                return await token()
            except errors.ServiceError as error:
                raise failures.of_service("auth", auth_target, error) from error

        return ServiceChannel(name, target, service, named_token, tls=self._tls)


def _read_tls(settings: Mapping[str, str]) -> Tls | None:
    """Return the files for TLS, or None if none is set. Refuse if one is not set, or cannot be read."""
    files = {variable(name): settings.get(name, "") for name in TLS_FILES}
    if not any(files.values()):
        return None
    if missing := [name for name, file in files.items() if not file]:
        raise CommandFailed(f"{missing[0]} is not set, but TLS between services needs {', '.join(files)}.")
    for name, file in files.items():
        try:
            Path(file).read_bytes()
        except OSError as error:
            raise CommandFailed(f"the file of {name} cannot be read: {error.strerror}: {file}") from error
    return Tls(*map(Path, files.values()))

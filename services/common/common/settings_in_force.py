"""The settings of a service as operators see them, without secrets."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit, urlunsplit

from pydantic import SecretStr

from common.settings import ServiceSettings
from loupe.settings.v1 import settings_pb2 as pb


def in_force(settings: ServiceSettings) -> list[pb.Setting]:
    """Return all settings by name. A secret has no value, and an address no password."""
    return [_to_setting(settings, name) for name in sorted(type(settings).model_fields)]


def _to_setting(settings: ServiceSettings, name: str) -> pb.Setting:
    value, field = getattr(settings, name), type(settings).model_fields[name]
    is_secret = _is_secret(value) or "SecretStr" in str(field.annotation)
    is_default = not field.is_required() and value == field.get_default(call_default_factory=True)
    return pb.Setting(
        name=name, value="" if is_secret else _to_text(value), is_default=is_default, is_secret=is_secret
    )


def _is_secret(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(map(_is_secret, value.values()))
    return isinstance(value, SecretStr)


def _to_text(value: object) -> str:
    if isinstance(value, str):
        return _without_password(value)
    if isinstance(value, Sequence | set | frozenset):
        return ", ".join(map(_to_text, value))
    return "" if value is None else str(value)


def _without_password(text: str) -> str:
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    if "://" not in text or "@" not in parts.netloc:
        return text
    return urlunsplit(parts._replace(netloc=f"…@{parts.netloc.rpartition('@')[2]}", query=""))

"""The settings of the gateway, from its environment."""

import ipaddress
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.settings import ServiceSettings

PictureOrigin = Annotated[str, StringConstraints(pattern=r"^https?://[A-Za-z0-9.\[\]:-]+$")]


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    listen: str = "0.0.0.0:8000"
    nats_url: str
    auth_target: str
    billing_target: str
    images_target: str
    outbound_target: str
    client_secret: SecretStr
    """The secret with which the gateway authenticates itself to auth."""
    public_url: Annotated[str, StringConstraints(pattern=r"^(https?://[^/]+/?)?$")] = ""
    """The address of the API as clients reach it, for links in answers, such as `https://loupe.example.com`.

    It may be empty only if `listen` is a loopback address. Links then have the host of the request if that
    names the loopback too: a client must not be able to put any other host into a link.
    """
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(default_factory=list)
    """Networks whose X-Forwarded-For is trusted, separated by commas."""
    unauthenticated_requests_per_hour: int = 10
    poll_multiplier: int = 10
    """Status polls have a separate hourly limit: this many times the plan's."""
    console_folder: Path | None = None
    """The folder with the files of the web console. If there is no such folder, there is no console."""
    console_picture_origins: Annotated[list[PictureOrigin], NoDecode] = Field(default_factory=list)
    """The origins of the object store for clients, separated by commas. The console's pages load pictures
    from there and from nowhere else.
    """
    console_multiplier: int = 10
    """Requests of the console have a separate hourly limit: this many times the plan's."""
    principal_seconds: float = 30.0
    """How long a token counts as valid without asking auth again, unless an event revokes it."""
    replicas: int = 1
    """The number of gateways. Without the broker, each enforces its share of the hourly limits."""
    head_seconds: float = Field(default=15.0, gt=0)
    """Time for the headers, from the first byte of a request or from the start of a new connection."""
    body_seconds: float = Field(default=30.0, gt=0)
    """In each interval of this length, a body must arrive at the rate below. An interval in which the gateway
    stopped reading does not count.
    """
    body_bytes_per_second: int = 4096
    upload_seconds: float = Field(default=120.0, gt=0)
    """Time for the body of an upload, and one more second for each of the next setting's bytes in it."""
    upload_bytes_per_second: int = Field(default=64 << 10, ge=1)
    uploads_per_user: int = Field(default=8, ge=1)
    """How many uploads of one user this gateway receives at a time."""
    upload_wait_seconds: float = Field(default=10.0, ge=0)
    """How long a further upload of the user waits for its turn, before it is refused."""
    upload_memory_bytes: int = Field(default=128 << 20, ge=1 << 20)
    """Limit for the memory of uploads under way, which take 1 MiB each. An upload beyond it is refused."""
    write_seconds: float = Field(default=60.0, gt=0)
    """A client that does not read its answer for this long is disconnected."""

    @model_validator(mode="after")
    def _has_an_address_for_links(self) -> Self:
        host = self.listen.rpartition(":")[0].strip("[]")
        if not self.public_url and not is_loopback(host):
            raise ValueError(
                f"public_url is needed, because listen is {self.listen}: set GATEWAY_PUBLIC_URL to the "
                "address under which clients reach the API, such as https://loupe.example.com"
            )
        return self

    @field_validator("trusted_proxies", "console_picture_origins", mode="before")
    @classmethod
    def _from_commas(cls, value: object) -> object:
        return (
            [part.strip().rstrip("/") for part in value.split(",") if part.strip()]
            if isinstance(value, str)
            else value
        )


def is_loopback(host: str) -> bool:
    """True if this name or address is this machine itself."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"

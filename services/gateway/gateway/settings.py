"""What the gateway is told by its environment."""

from ipaddress import IPv4Network, IPv6Network
from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="GATEWAY_")

    listen: str = "0.0.0.0:8000"
    nats_url: str
    auth_target: str
    billing_target: str
    images_target: str
    client_secret: SecretStr
    """What auth knows this service by."""
    public_url: str = ""
    """The API as clients reach it, for links in answers; empty: as the request names it."""
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(default_factory=list)
    """Networks whose X-Forwarded-For is believed, separated by commas."""
    unauthenticated_requests_per_hour: int = 10
    poll_multiplier: int = 10
    """Status polls count on their own, up to this many times the plan's hourly figure."""
    principal_seconds: float = 30.0
    """How long a token is believed without asking auth again, where no revocation was heard."""
    replicas: int = 1
    """Gateways that share the hourly limits while the broker is away."""
    head_seconds: float = Field(default=15.0, gt=0)
    """From a request's first byte, and on a new connection from its start, until the headers are over."""
    body_seconds: float = Field(default=30.0, gt=0)
    """In each such span of time a body ends or grows at the rate below, unless we keep it waiting."""
    body_bytes_per_second: int = 4096
    write_seconds: float = Field(default=60.0, gt=0)
    """A client that reads nothing of its answer for so long is cut off."""

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _from_commas(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

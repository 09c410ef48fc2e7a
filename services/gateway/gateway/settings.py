"""The settings of the gateway, from its environment."""

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
    """The secret with which the gateway authenticates itself to auth."""
    public_url: str = ""
    """The address of the API as clients reach it, for links in answers. Empty: the address of the request."""
    trusted_proxies: Annotated[list[IPv4Network | IPv6Network], NoDecode] = Field(default_factory=list)
    """Networks whose X-Forwarded-For is trusted, separated by commas."""
    unauthenticated_requests_per_hour: int = 10
    poll_multiplier: int = 10
    """Status polls have a separate hourly limit: this many times the plan's."""
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
    write_seconds: float = Field(default=60.0, gt=0)
    """A client that does not read its answer for this long is disconnected."""

    @field_validator("trusted_proxies", mode="before")
    @classmethod
    def _from_commas(cls, value: object) -> object:
        return (
            [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value
        )

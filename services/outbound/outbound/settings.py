"""Settings of outbound, read from the environment."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from common.settings import ServiceSettings
from outbound.guard.policy import Policy, to_policy

FromCommas = Annotated[list[str], NoDecode]


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="OUTBOUND_")

    database_url: str
    nats_url: str
    listen: str = "0.0.0.0:9000"
    auth_target: str
    images_target: str
    client_secret: SecretStr
    """Authenticates this service at auth."""
    secret: SecretStr = Field(min_length=32)
    """Encrypts the secrets of webhooks at rest."""
    previous_secret: SecretStr | None = None
    """The secret before the present one. What it has encrypted is still read, and is encrypted again."""
    parallel_deliveries: int = Field(default=64, ge=1, le=1000)
    """How many deliveries this process makes at a time."""
    deliveries_per_host: int = Field(default=64, ge=1)
    """How many deliveries all processes together make to one host at a time."""
    fetch_seconds: float = Field(default=30.0, gt=0, le=120)
    """How long fetching a file from a link may take, redirects and all."""
    answer_seconds: float = Field(default=15.0, gt=0, le=60)
    """How long a receiver may take to answer."""
    lease_seconds: float = Field(default=60.0, gt=0)
    """A delivery whose process has died is made again after this time."""
    log_days: int = Field(default=30, ge=1)
    """How long deliveries stay in the log."""
    allow: FromCommas = Field(default_factory=list)
    """Places that users' URLs may lead to beside the public internet: networks, addresses, host names (also
    `*.example.com`) and origins such as `http://hooks.internal:8080`, separated by commas.
    """
    deny: FromCommas = Field(default_factory=list)
    """Networks that are refused in any case, such as public addresses of internal servers."""
    allow_http: bool = False
    """Also URLs that begin with http://."""
    ports: FromCommas = Field(default_factory=lambda: ["443", "8443"])
    """Ports and ranges such as `8000-8099`. Port 80 comes with `allow_http`."""
    proxy: SecretStr = SecretStr("")
    """The URL of a forward proxy, perhaps with a password, that checks addresses itself."""
    nameservers: FromCommas = Field(default_factory=list)
    """Nameservers for the hosts of users' URLs, such as `127.0.0.1#5353`. Empty: the system's."""
    ca_file: str = ""
    """Certificates (PEM) to trust for https beside the system's."""

    @field_validator("allow", "deny", "ports", "nameservers", mode="before")
    @classmethod
    def _from_commas(cls, value: object) -> object:
        if isinstance(value, str):
            return [each.strip() for each in value.split(",") if each.strip()]
        return value

    @model_validator(mode="after")
    def _lease_is_long_enough(self) -> Self:
        if self.lease_seconds < self.answer_seconds + 10:
            raise ValueError("lease_seconds must exceed answer_seconds by 10")
        return self

    @model_validator(mode="after")
    def _policy_is_understood(self) -> Self:
        self.policy()
        return self

    def policy(self) -> Policy:
        """Return the rules for URLs that users choose."""
        return to_policy(
            self.allow,
            deny=self.deny,
            ports=self.ports,
            http_is_allowed=self.allow_http,
            proxy=self.proxy.get_secret_value(),
        )

    def key_secrets(self) -> tuple[str, ...]:
        """Return the secret that encrypts, and then the one whose secrets are still read."""
        return tuple(each.get_secret_value() for each in (self.secret, self.previous_secret) if each)

"""Settings that all services share. Each service adds its own, with its own prefix."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.broker_login import BrokerLogin
from common.tls import Tls


class ServiceSettings(BaseSettings):
    """The settings of every service. They are read from the environment once and never change."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    metrics_listen: str = "0.0.0.0:9090"
    """Address for /metrics, /healthz and /readyz over plain HTTP."""
    log_level: str = "INFO"
    log_readable: bool = False
    """Write log lines for people instead of JSON."""
    nats_replicas: int = Field(default=1, ge=1, le=5)
    """Number of NATS servers that store each stream. It must be the same for all services."""
    nats_credentials_file: str = ""
    """File with the JWT and seed of this service's user, instead of a password in `nats_url`."""
    nats_certificate: str = ""
    """File with the certificate that this service shows to the broker, for example if that requires one."""
    nats_key: str = ""
    """File with the private key of that certificate."""
    tls_certificate: str = ""
    """File with this service's certificate for gRPC between services. Set all three files or none."""
    tls_key: str = ""
    """File with the certificate's private key."""
    tls_authority: str = ""
    """File with the certificates of the authority that signs the certificates of all services."""

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({bool(file) for file in (self.tls_certificate, self.tls_key, self.tls_authority)}) > 1:
            raise ValueError("tls_certificate, tls_key and tls_authority belong together")
        if bool(self.nats_certificate) != bool(self.nats_key):
            raise ValueError("nats_certificate and nats_key belong together")
        return self

    @property
    def broker_login(self) -> BrokerLogin:
        """The files with which this service logs in to the broker. Without any it uses the URL alone."""
        credentials, certificate, key = (
            Path(file) if file else None
            for file in (self.nats_credentials_file, self.nats_certificate, self.nats_key)
        )
        return BrokerLogin(credentials, certificate, key)

    @property
    def tls(self) -> Tls | None:
        """The certificate files, or None without TLS."""
        if not self.tls_certificate:
            return None
        return Tls(Path(self.tls_certificate), Path(self.tls_key), Path(self.tls_authority))

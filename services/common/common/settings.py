"""What every service is told in the same way; each service's own class adds the rest under its own prefix."""

from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from common.tls import Tls


class ServiceSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    metrics_listen: str = "0.0.0.0:9090"
    """Where /metrics, /healthz and /readyz are served over plain HTTP."""
    log_level: str = "INFO"
    log_readable: bool = False
    """Lines for people instead of JSON."""
    nats_replicas: int = Field(default=1, ge=1, le=5)
    """Servers of a NATS cluster that hold each stream; the same for every service."""
    tls_certificate: str = ""
    """File of this service's certificate, for gRPC between services; all three or none."""
    tls_key: str = ""
    tls_authority: str = ""
    """File of the certificates that sign those of all services."""

    @model_validator(mode="after")
    def _all_or_none(self) -> Self:
        if len({bool(file) for file in (self.tls_certificate, self.tls_key, self.tls_authority)}) > 1:
            raise ValueError("tls_certificate, tls_key and tls_authority belong together")
        return self

    @property
    def tls(self) -> Tls | None:
        if not self.tls_certificate:
            return None
        return Tls(Path(self.tls_certificate), Path(self.tls_key), Path(self.tls_authority))

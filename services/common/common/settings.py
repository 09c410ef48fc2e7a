"""What every service is told in the same way; each service's own class adds the rest under its own prefix."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    model_config = SettingsConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    metrics_listen: str = "0.0.0.0:9090"
    """Where /metrics, /healthz and /readyz are served over plain HTTP."""
    log_level: str = "INFO"
    log_readable: bool = False
    """Lines for people instead of JSON."""

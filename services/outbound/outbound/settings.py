"""Settings of outbound, read from the environment."""

from pydantic import SecretStr
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="OUTBOUND_")

    database_url: str
    nats_url: str
    listen: str = "0.0.0.0:9000"
    auth_target: str
    client_secret: SecretStr
    """Authenticates this service at auth."""

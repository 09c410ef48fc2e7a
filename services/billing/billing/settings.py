"""Settings of billing, read from the environment."""

from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="BILLING_")

    database_url: str
    nats_url: str
    listen: str = "0.0.0.0:9000"
    auth_target: str
    plans_file: str = ""
    """TOML file of plans. Empty: the plans that come with Loupe."""
    reservation_seconds: float = 3600.0
    """Time after which a reservation expires, if it is neither renewed nor settled."""

"""What billing is told by its environment."""

from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="BILLING_")

    database_url: str
    nats_url: str
    listen: str = "0.0.0.0:9000"
    auth_target: str
    plans_file: str = ""
    """TOML file of plans; empty: the ones that Loupe ships."""
    reservation_seconds: float = 3600.0
    """A reservation that nobody renews or settles gives its place back after this long."""

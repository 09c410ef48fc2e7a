"""Settings of auth, read from the environment."""

from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import SettingsConfigDict

from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AUTH_")

    database_url: str
    nats_url: str
    listen: str = "0.0.0.0:9000"
    secret: SecretStr = Field(min_length=32)
    """Signs the links in mails and encrypts the signing keys at rest."""
    clients: dict[str, SecretStr]
    """Secrets of clients that may request service tokens, as JSON: {"images": "...", "operator": "..."}."""
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/]+$")]
    """Public address of the API, for the links in mails."""
    reset_url: Annotated[str, StringConstraints(pattern=r"^$|^https?://[^#\s]+$")] = ""
    """Page for setting a new password. It finds the signed text after the `#`. Empty: the gateway's page."""
    email_verification: bool = True
    """If off, new users count as verified and get no mail."""
    smtp_host: str = "localhost"
    smtp_port_number: int = 25
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = False
    mail_from: str = "Loupe <loupe@localhost>"
    hashing_threads: int = 2
    """Number of passwords hashed at the same time. Each takes 19 MiB."""

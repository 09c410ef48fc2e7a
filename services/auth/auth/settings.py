"""What auth is told by its environment."""

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
    """Secret of each service that may ask for tokens, as JSON: {"images": "...", "operator": "..."}."""
    public_url: Annotated[str, StringConstraints(pattern=r"^https?://[^/]+$")]
    """The API as users reach it, for the links in mails."""
    reset_url: Annotated[str, StringConstraints(pattern=r"^$|^https?://[^#\s]+$")] = ""
    """The page where users set a new password, which finds the signed text behind the `#`; empty: the
    gateway's own.
    """
    email_verification: bool = True
    """Off: new users count as verified, and no mail is needed."""
    smtp_host: str = "localhost"
    smtp_port_number: int = 25
    smtp_user: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = False
    mail_from: str = "Loupe <loupe@localhost>"
    hashing_threads: int = 2
    """Passwords hashed at the same time; each takes 19 MiB."""

"""Settings of auth, read from the environment."""

from dataclasses import fields
from typing import Annotated

from pydantic import Field, SecretStr, StringConstraints
from pydantic_settings import SettingsConfigDict

from auth.policy import Policy
from common.settings import ServiceSettings


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="AUTH_")

    database_url: str
    nats_url: str
    listen: str = "0.0.0.0:9000"
    secret: SecretStr = Field(min_length=32)
    """Encrypts the signing keys at rest. It also signs the links in mails if there is no `link_secret`."""
    previous_secret: SecretStr | None = None
    """The secret before the present one. Signing keys that it has encrypted are still read."""
    link_secret: SecretStr | None = Field(default=None, min_length=32)
    """Signs the links in mails."""
    previous_link_secret: SecretStr | None = None
    """Links that it has signed are still valid."""
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
    reauthentication_minutes: int = Field(default=15, ge=0)
    """How old a login may be for changes of the account, which later need the password. Zero: any age."""
    refuse_common_passwords: bool = True
    """Whether new passwords may not be among the 10,000 most common ones."""
    mails_per_day: int = Field(default=20, ge=1)
    """Mails to an address, and for a user, on a day (UTC). Then one an hour. Notices, mails for a new
    password and tries of other addresses have counts of their own.
    """
    guesses_per_account: int = Field(default=10, ge=0)
    """Wrong passwords or codes for an account before each further one has to wait. Zero: no limit."""
    guesses_per_address: int = Field(default=30, ge=0)
    """The same for a client's network address and all accounts together."""
    tokens_per_user: int = Field(default=1000, ge=1)
    """A further token revokes the one that has been unused for the longest time."""
    token_days: int = Field(default=0, ge=0)
    """After how many days tokens expire that were requested without `expires_at`. Zero: never."""
    operators_need_second_factor: bool = False
    """Whether operators may act as such only with a second factor."""
    audit_days: int = Field(default=400, ge=0)
    """How long the audit keeps what happened. Whole months are dropped. Zero: forever."""
    hashing_threads: int = 2
    """Number of passwords hashed at the same time. Each takes 19 MiB."""

    def link_secrets(self) -> tuple[str, ...]:
        """Return the secret that signs links, and then the one whose links are still valid."""
        found = (self.link_secret or self.secret, self.previous_link_secret)
        return tuple(each.get_secret_value() for each in found if each)

    def key_secrets(self) -> tuple[str, ...]:
        """Return the secret that encrypts signing keys, and then the one whose keys are still read."""
        return tuple(each.get_secret_value() for each in (self.secret, self.previous_secret) if each)

    @property
    def policy(self) -> Policy:
        return Policy(**{field.name: getattr(self, field.name) for field in fields(Policy)})

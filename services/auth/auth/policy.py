"""The decisions of an installation about accounts. `Settings` says what each value means."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from common.db import now


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    email_verification: bool = True
    reauthentication_minutes: int = 15
    refuse_common_passwords: bool = True
    mails_per_day: int = 20
    guesses_per_account: int = 10
    guesses_per_address: int = 30
    tokens_per_user: int = 1000
    token_days: int = 0
    operators_need_second_factor: bool = False

    @property
    def token_expires_at(self) -> datetime | None:
        """The default expiry of a token that is made now. None: never."""
        return now() + timedelta(days=self.token_days) if self.token_days else None

    def is_recent(self, signed_in_at: datetime | None) -> bool:
        """Return whether a login at this time is recent enough for changes of the account."""
        oldest = now() - timedelta(minutes=self.reauthentication_minutes)
        return signed_in_at is not None and signed_in_at >= oldest

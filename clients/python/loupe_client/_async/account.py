"""The account of the user: profile, usage, plan, tokens, logging in and out."""

from collections.abc import AsyncGenerator
from datetime import date, datetime
from typing import Any, Literal

from loupe_client import models
from loupe_client._async.transport import AsyncTransport
from loupe_client.answers import envelope_of, parse
from loupe_client.models import (
    AuditEntry,
    AuditEvent,
    NewSecondFactor,
    NewToken,
    RecoveryCodes,
    RestoredAddress,
    Session,
    SubscriptionAndPlan,
    Token,
    Usage,
    UsageHistory,
    User,
)


class AsyncTokens:
    """The API tokens of the user."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def list(self) -> list[Token]:
        """Return all tokens, without their texts."""
        return parse(models.Tokens, await self._transport.call("GET", "/api/user/tokens")).tokens

    async def create(
        self,
        name: str,
        *,
        abilities: "list[str] | None" = None,
        expires_at: datetime | None = None,
        current_password: str | None = None,
        otp: str | None = None,
    ) -> NewToken:
        """Create a token. Its `plain_text` is in this answer only."""
        body = {
            "name": name,
            "abilities": abilities,
            "expires_at": expires_at.isoformat() if expires_at else None,
            "current_password": current_password,
            "otp": otp,
        }
        return parse(NewToken, await self._transport.call("POST", "/api/user/tokens", body=body))

    async def revoke(self, token_id: int) -> None:
        """Revoke a token."""
        await self._transport.call("DELETE", f"/api/user/tokens/{token_id}")


class AsyncAccount:
    """The account of the user."""

    def __init__(self, transport: AsyncTransport) -> None:
        self._transport = transport

    async def get(self) -> User:
        """Return the profile."""
        return parse(User, await self._transport.call("GET", "/api/user"))

    async def update(
        self,
        *,
        name: str | None = None,
        email: str | None = None,
        current_password: str | None = None,
        otp: str | None = None,
    ) -> User:
        """Change name or address. A new address counts once its mail is confirmed."""
        body = {"name": name, "email": email, "current_password": current_password, "otp": otp}
        return parse(User, await self._transport.call("PATCH", "/api/user", body=body))

    async def delete(self, *, current_password: str | None = None, otp: str | None = None) -> None:
        """Delete the account with all images and files."""
        body = {"current_password": current_password, "otp": otp}
        await self._transport.call("DELETE", "/api/user", body=body)

    async def usage(self) -> Usage:
        """Return the images of this month, and how many are left."""
        return parse(Usage, await self._transport.call("GET", "/api/usage"))

    async def usage_history(
        self,
        *,
        by: Literal["day", "month"] = "day",
        start: date | None = None,
        end: date | None = None,
    ) -> UsageHistory:
        """Return the images by day or by month."""
        query = {"by": by, "from": start, "to": end}
        return parse(UsageHistory, await self._transport.call("GET", "/api/usage/history", query=query))

    async def audit(
        self,
        *,
        event: AuditEvent | None = None,
        start: date | None = None,
        end: date | None = None,
    ) -> AsyncGenerator[AuditEntry]:
        """Yield what happened to the account, the newest first.

        `start` and `end` are days or instants. The day `end` is included, an instant `end` is not.
        """
        days = {"from": start and start.isoformat(), "to": end and end.isoformat()}
        page: int | None = 1
        while page:
            query = {"event": event, **days, "page": page, "per_page": 100}
            answer = envelope_of(await self._transport.send("GET", "/api/audit", query=query))
            for each in answer["data"]:
                yield parse(AuditEntry, each)
            page = page + 1 if answer["links"]["next"] else None

    async def subscription(self) -> SubscriptionAndPlan:
        """Return the subscription, if there is one, and the plan."""
        return parse(SubscriptionAndPlan, await self._transport.call("GET", "/api/subscription"))

    async def login(
        self, email: str, password: str, *, otp: str | None = None, device_name: str | None = None
    ) -> Session:
        """Return a new token. The client goes on with its own."""
        body = {"email": email, "password": password, "otp": otp, "device_name": device_name}
        return parse(Session, await self._transport.call("POST", "/api/auth/login", body=body))

    async def register(
        self, name: str, email: str, password: str, *, device_name: str | None = None
    ) -> Session:
        """Create an account, and return its first token. The address has to be verified by mail."""
        body = {"name": name, "email": email, "password": password, "device_name": device_name}
        body["password_confirmation"] = password
        return parse(Session, await self._transport.call("POST", "/api/auth/register", body=body))

    async def logout(self) -> None:
        """Revoke the token of this client."""
        await self._transport.call("POST", "/api/auth/logout")

    async def revoke_all(self) -> None:
        """Revoke all tokens of the user."""
        await self._transport.call("POST", "/api/auth/revoke-all")

    async def change_password(self, current: str, new: str, *, otp: str | None = None) -> None:
        """Set another password. All other tokens are revoked."""
        body = {"current_password": current, "password": new, "password_confirmation": new, "otp": otp}
        await self._transport.call("PUT", "/api/user/password", body=body)

    async def forgot_password(self, email: str) -> None:
        """Have a link mailed that sets a new password."""
        await self._transport.call("POST", "/api/auth/forgot-password", body={"email": email})

    async def reset_password(self, token: str, password: str) -> None:
        """Set a new password with the text of that link. All tokens are revoked."""
        body = {"token": token, "password": password, "password_confirmation": password}
        await self._transport.call("POST", "/api/auth/reset-password", body=body)

    async def verify_email(self, signed: str) -> None:
        """Verify the address with the text of the link in its mail."""
        await self._transport.call("GET", f"/api/email/verify/{signed}")

    async def resend_verification(self, email: str | None = None) -> None:
        """Have the verification mail sent again."""
        await self._transport.call("POST", "/api/email/verification-notification", body={"email": email})

    async def restore_email(self, token: str) -> RestoredAddress:
        """Undo the change of the address with the text of the link in its mail."""
        data = await self._transport.call("POST", "/api/email/restore", body={"token": token})
        return parse(RestoredAddress, data)

    async def start_second_factor(
        self, *, current_password: str | None = None, otp: str | None = None
    ) -> NewSecondFactor:
        """Return the secret of a second factor, which `confirm_second_factor` switches on."""
        return parse(NewSecondFactor, await self._factor("POST", "", current_password, otp))

    async def confirm_second_factor(self, otp: str) -> "list[str]":
        """Switch the second factor on, and return the recovery codes, which are in this answer only."""
        return parse(RecoveryCodes, await self._factor("POST", "/confirm", None, otp)).recovery_codes

    async def replace_recovery_codes(self, otp: str) -> "list[str]":
        """Return new recovery codes."""
        return parse(RecoveryCodes, await self._factor("POST", "/recovery-codes", None, otp)).recovery_codes

    async def remove_second_factor(self, otp: str) -> None:
        """Switch the second factor off."""
        await self._factor("DELETE", "", None, otp)

    async def _factor(self, method: str, path: str, password: str | None, otp: str | None) -> Any:
        body = {"current_password": password, "otp": otp}
        return await self._transport.call(method, f"/api/user/second-factor{path}", body=body)

"""`loupe-admin`: what operators do, over gRPC with a credential of its own.

Finds a local stack by itself; elsewhere LOUPE_AUTH_TARGET, LOUPE_BILLING_TARGET, LOUPE_IMAGES_TARGET and
LOUPE_OPERATOR_SECRET say where and who, and where services speak TLS to each other, LOUPE_TLS_CERTIFICATE,
LOUPE_TLS_KEY and LOUPE_TLS_AUTHORITY with which files.
"""

import argparse
import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from pydantic import SecretStr

from common import errors, timestamps
from common.channel import Channel
from common.credentials import Credentials
from common.tls import Tls
from loupe.auth.v1 import auth_pb2, auth_pb2_grpc
from loupe.billing.v1 import billing_pb2, billing_pb2_grpc
from loupe.images.v1 import images_pb2, images_pb2_grpc

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub
    from loupe.images.v1.images_pb2_grpc import ImagesServiceAsyncStub

LOCAL_STACK = Path(".loupe/local.json")
NAMES = ("auth_target", "billing_target", "images_target", "operator_secret")
TLS_FILES = ("tls_certificate", "tls_key", "tls_authority")
MOST_DEAD = 1000
PAGE_SECONDS = 60.0
"""For some hundred images, each of which the store is asked for."""
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Operator:
    """Calls as an operator."""

    def __init__(self, where: dict[str, str]) -> None:
        secret, files = SecretStr(where["operator_secret"]), [where.get(name, "") for name in TLS_FILES]
        tls = Tls(*map(Path, files)) if all(files) else None
        credentials = Credentials(where["auth_target"], "operator", secret, tls=tls)

        def channel(name: str, descriptor: ServiceDescriptor) -> Channel:
            return Channel(where[f"{name}_target"], descriptor, credentials.token_for(name), tls=tls)

        auth = channel("auth", auth_pb2.DESCRIPTOR.services_by_name["AuthService"])
        billing = channel("billing", billing_pb2.DESCRIPTOR.services_by_name["BillingService"])
        images = channel("images", images_pb2.DESCRIPTOR.services_by_name["ImagesService"])
        self._auth: AuthServiceAsyncStub = auth_pb2_grpc.AuthServiceStub(auth.grpc)
        self._billing: BillingServiceAsyncStub = billing_pb2_grpc.BillingServiceStub(billing.grpc)
        self._images: ImagesServiceAsyncStub = images_pb2_grpc.ImagesServiceStub(images.grpc)

    async def list_plans(self) -> Message:
        return await self._billing.ListPlans(billing_pb2.ListPlansRequest())

    async def set_plan(
        self,
        email: str,
        plan: str,
        trial_until: datetime | None = None,
        until: datetime | None = None,
        *,
        past_due: bool = False,
    ) -> Message:
        request = billing_pb2.SetPlanRequest(
            user_id=await self._id_of(email),
            plan=plan,
            trial_ends_at=timestamps.to_proto(trial_until),
            ends_at=timestamps.to_proto(until),
            past_due=past_due,
        )
        return await self._billing.SetPlan(request)

    async def set_quota(self, email: str, images: int | None = None) -> Message:
        request = billing_pb2.SetQuotaRequest(user_id=await self._id_of(email), images_per_month=images)
        return await self._billing.SetQuota(request)

    async def show_quota(self, email: str, month: str = "") -> Message:
        request = billing_pb2.GetLedgerRequest(user_id=await self._id_of(email), period_start=month)
        return await self._billing.GetLedger(request)

    async def show_user(self, email: str) -> Message:
        return await self._auth.FindUser(auth_pb2.FindUserRequest(email=email))

    async def verify_user(self, email: str) -> Message:
        request = auth_pb2.MarkEmailVerifiedRequest(user_id=await self._id_of(email))
        return await self._auth.MarkEmailVerified(request)

    async def list_dead(self, limit: int = MOST_DEAD) -> Message:
        return await self._images.ListDeadMessages(images_pb2.ListDeadMessagesRequest(limit=limit))

    async def redrive_dead(self, sequence: int) -> Message:
        request = images_pb2.RedriveDeadMessageRequest(sequence=sequence)
        return await self._images.RedriveDeadMessage(request)

    async def check_objects(self, *, mark: bool = False) -> AsyncIterator[Message]:
        """Each image that lacks its object as it is found, and how many were looked at."""
        request, checked = images_pb2.CheckObjectsRequest(mark=mark), 0
        while True:
            page = await self._images.CheckObjects(request, timeout=PAGE_SECONDS)
            for image in page.images:
                yield image
            checked += page.checked
            request.after_id = page.next_after_id
            if not page.next_after_id:
                break
        yield images_pb2.CheckObjectsResponse(checked=checked)

    async def replay_endings(self, since: datetime) -> Message:
        request, replayed = images_pb2.ReplayEndingsRequest(since=timestamps.to_proto(since)), 0
        while True:
            page = await self._images.ReplayEndings(request, timeout=PAGE_SECONDS)
            replayed += page.replayed
            request.after_id = page.next_after_id
            if not page.next_after_id:
                return images_pb2.ReplayEndingsResponse(replayed=replayed)

    async def rotate_keys(self) -> Message:
        return await self._auth.RotateKeys(auth_pb2.RotateKeysRequest())

    async def _id_of(self, email: str) -> int:
        return (await self._auth.FindUser(auth_pb2.FindUserRequest(email=email))).user.id


def main() -> None:
    arguments = vars(_parser().parse_args())
    command, as_json = arguments.pop("command"), arguments.pop("json")
    try:
        asyncio.run(_call(_where(), command, arguments, indent=None if as_json else 2))
    except (errors.ServiceError, LookupError) as error:
        sys.exit(f"loupe-admin: {error}")


async def _call(where: dict[str, str], command: str, arguments: dict[str, Any], indent: int | None) -> None:
    answer = getattr(Operator(where), command)(**arguments)
    if isinstance(answer, AsyncIterator):
        async for message in answer:
            _show(message, indent)
    else:
        _show(await answer, indent)


def _show(message: Message, indent: int | None) -> None:
    fields = MessageToDict(message, preserving_proto_field_name=True)
    print(json.dumps(fields, indent=indent))  # noqa: T201  a command's output


def _where() -> dict[str, str]:
    """From the environment, else from the local stack of this folder or one above it."""
    told = {name: os.environ.get(f"LOUPE_{name.upper()}", "") for name in NAMES}
    if all(told.values()):
        return told | {name: os.environ.get(f"LOUPE_{name.upper()}", "") for name in TLS_FILES}
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / LOCAL_STACK).exists():
            local: dict[str, str] = json.loads((folder / LOCAL_STACK).read_text())["admin"]
            return local | {name: value for name, value in told.items() if value}
    missing = ", ".join(f"LOUPE_{name.upper()}" for name, value in told.items() if not value)
    raise LookupError(f"no local stack is running here, and these are not set: {missing}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loupe-admin", description="What operators of Loupe do.")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    parser.add_argument("--version", action="version", version=metadata.version("loupe-gateway"))
    nouns = parser.add_subparsers(required=True, metavar="NOUN")

    def verbs(noun: str, text: str) -> Callable[[str, str, str], argparse.ArgumentParser]:
        group = nouns.add_parser(noun, help=text, description=text).add_subparsers(
            required=True, metavar="VERB"
        )

        def verb(name: str, command: str, text: str) -> argparse.ArgumentParser:
            added = group.add_parser(name, help=text, description=text)
            added.set_defaults(command=command)
            return added

        return verb

    _add_plans(verbs("plan", "plans of users"))
    _add_quotas(verbs("quota", "monthly quotas of users"))
    user = verbs("user", "users")
    user("show", "show_user", "show a user").add_argument("email")
    user("verify", "verify_user", "mark a user's address as verified").add_argument("email")
    dead = verbs("dead", "messages that their consumer gave up, failed jobs among them")
    listed = dead("list", "list_dead", "list them, newest first")
    listed.add_argument("--limit", type=int, default=MOST_DEAD, help=f"at most so many, up to {MOST_DEAD}")
    dead("redrive", "redrive_dead", "give one to its consumer again").add_argument("sequence", type=int)
    objects = verbs("objects", "originals and results in the object store")
    check = objects("check", "check_objects", "list images whose original or result is not there any more")
    check.add_argument("--mark", action="store_true", help="let them fail; read the list without it first")
    endings = verbs("endings", "how images ended")
    replay = endings("replay", "replay_endings", "tell billing again; what it knows changes nothing")
    replay.add_argument(
        "--since", type=_past, required=True, metavar="TIME", help="ended since then: an instant, or 24h, 7d"
    )
    verbs("keys", "signing keys")("rotate", "rotate_keys", "sign with a new key")
    return parser


def _add_plans(verb: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    verb("list", "list_plans", "what this installation offers")
    to_set = verb(
        "set", "set_plan", "put a user on a plan; what is not named, the subscription will not have"
    )
    to_set.add_argument("email")
    to_set.add_argument("plan", help="its slug, such as professional")
    to_set.add_argument("--trial-until", type=_instant, metavar="TIME", help="on trial until then")
    to_set.add_argument("--until", type=_instant, metavar="TIME", help="cancelled, and over then")
    to_set.add_argument("--past-due", action="store_true", help="a payment is missing: no new images")


def _add_quotas(verb: Callable[[str, str, str], argparse.ArgumentParser]) -> None:
    show = verb("show", "show_quota", "a user's month, entry by entry")
    show.add_argument("email")
    show.add_argument("--month", default="", metavar="YYYY-MM-01", help="its first day; this month if absent")
    to_set = verb("set", "set_quota", "give a subscription a quota of its own")
    to_set.add_argument("email")
    to_set.add_argument("images", type=int, help="images a month")
    verb("reset", "set_quota", "back to what the plan says").add_argument("email")


def _instant(text: str) -> datetime:
    """ISO 8601; UTC where it does not say."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no instant as in ISO 8601") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _past(text: str) -> datetime:
    """So long ago, or an instant."""
    if found := re.fullmatch(r"(\d{1,5})([mhd])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
    return _instant(text)


if __name__ == "__main__":
    main()

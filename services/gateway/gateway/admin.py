"""`loupe-admin`: the commands of operators. It calls the services over gRPC, with its own credential.

It finds a local stack by itself. Elsewhere it needs LOUPE_AUTH_TARGET, LOUPE_BILLING_TARGET,
LOUPE_IMAGES_TARGET and LOUPE_OPERATOR_SECRET. If services use TLS among themselves, it also needs
LOUPE_TLS_CERTIFICATE, LOUPE_TLS_KEY and LOUPE_TLS_AUTHORITY.
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
REQUIRED_NAMES = ("auth_target", "billing_target", "images_target", "operator_secret")
TLS_FILES = ("tls_certificate", "tls_key", "tls_authority")
MOST_DEAD = 1000
PAGE_SECONDS = 60.0
"""Time for a page of some hundred images. Each is looked up in the object store."""
Verb = Callable[[str, str, str], argparse.ArgumentParser]
"""Adds a command: its name, the method of `Operator`, and its help text."""
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Operator:
    """Calls services as an operator."""

    def __init__(self, settings: dict[str, str]) -> None:
        secret, files = SecretStr(settings["operator_secret"]), [settings.get(name, "") for name in TLS_FILES]
        tls = Tls(*map(Path, files)) if all(files) else None
        credentials = Credentials(settings["auth_target"], "operator", secret, tls=tls)

        def channel(name: str, descriptor: ServiceDescriptor) -> Channel:
            return Channel(settings[f"{name}_target"], descriptor, credentials.token_for(name), tls=tls)

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
        """Yield each image whose object is missing, and at the end the number of checked images."""
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
        asyncio.run(_call(_settings(), command, arguments, indent=None if as_json else 2))
    except (errors.ServiceError, LookupError) as error:
        sys.exit(f"loupe-admin: {error}")


async def _call(
    settings: dict[str, str], command: str, arguments: dict[str, Any], indent: int | None
) -> None:
    answer = getattr(Operator(settings), command)(**arguments)
    if isinstance(answer, AsyncIterator):
        async for message in answer:
            _print(message, indent)
    else:
        _print(await answer, indent)


def _print(message: Message, indent: int | None) -> None:
    fields = MessageToDict(message, preserving_proto_field_name=True)
    print(json.dumps(fields, indent=indent))  # noqa: T201  the output of the command


def _settings() -> dict[str, str]:
    """Return the settings from the environment, or from a local stack in this folder or a parent."""
    given = {name: os.environ.get(f"LOUPE_{name.upper()}", "") for name in REQUIRED_NAMES}
    if all(given.values()):
        return given | {name: os.environ.get(f"LOUPE_{name.upper()}", "") for name in TLS_FILES}
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / LOCAL_STACK).exists():
            local: dict[str, str] = json.loads((folder / LOCAL_STACK).read_text())["admin"]
            return local | {name: value for name, value in given.items() if value}
    missing = ", ".join(f"LOUPE_{name.upper()}" for name, value in given.items() if not value)
    raise LookupError(f"no local stack is running here, and these variables are not set: {missing}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loupe-admin", description="Commands for operators of Loupe.")
    parser.add_argument("--json", action="store_true", help="print JSON on one line")
    parser.add_argument("--version", action="version", version=metadata.version("loupe-gateway"))
    nouns = parser.add_subparsers(required=True, metavar="NOUN")

    def verbs(noun: str, text: str) -> Verb:
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
    _add_repairs(verbs)
    verbs("keys", "signing keys")("rotate", "rotate_keys", "sign with a new key")
    return parser


def _add_plans(verb: Verb) -> None:
    verb("list", "list_plans", "list the plans of this installation")
    to_set = verb(
        "set",
        "set_plan",
        "put a user on a plan; options that are not given are removed from the subscription",
    )
    to_set.add_argument("email")
    to_set.add_argument("plan", help="the slug of the plan, such as professional")
    to_set.add_argument("--trial-until", type=_time, metavar="TIME", help="the trial ends then")
    to_set.add_argument("--until", type=_time, metavar="TIME", help="cancelled: the subscription ends then")
    to_set.add_argument(
        "--past-due", action="store_true", help="a payment is missing; the user cannot make new images"
    )


def _add_quotas(verb: Verb) -> None:
    show = verb("show", "show_quota", "show the entries of a user's month")
    show.add_argument("email")
    show.add_argument(
        "--month", default="", metavar="YYYY-MM-01", help="the first day of the month; default: this month"
    )
    to_set = verb("set", "set_quota", "give a subscription its own quota")
    to_set.add_argument("email")
    to_set.add_argument("images", type=int, help="images a month")
    verb("reset", "set_quota", "return to the quota of the plan").add_argument("email")


def _add_repairs(verbs: Callable[[str, str], Verb]) -> None:
    dead = verbs("dead", "messages whose consumer gave up, including failed jobs")
    listed = dead("list", "list_dead", "list the messages, newest first")
    listed.add_argument("--limit", type=int, default=MOST_DEAD, help=f"how many to list, at most {MOST_DEAD}")
    dead("redrive", "redrive_dead", "send a message to its consumer again").add_argument("sequence", type=int)
    objects = verbs("objects", "originals and results in the object store")
    check = objects("check", "check_objects", "list images whose original or result is missing")
    check.add_argument(
        "--mark",
        action="store_true",
        help="also mark these images as failed; read the list without this option first",
    )
    endings = verbs("endings", "outcomes of images")
    replay = endings(
        "replay", "replay_endings", "send the outcomes to billing again; known outcomes change nothing"
    )
    replay.add_argument(
        "--since",
        type=_past_time,
        required=True,
        metavar="TIME",
        help="outcomes since then: a time, or an age such as 24h or 7d",
    )


def _time(text: str) -> datetime:
    """Parse a time as in ISO 8601. Without an offset it is UTC."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a time as in ISO 8601") from error
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def _past_time(text: str) -> datetime:
    """Parse an age such as 24h or 7d, or a time."""
    if found := re.fullmatch(r"(\d{1,5})([mhd])", text):
        return datetime.now(UTC) - timedelta(**{UNITS[found[2]]: int(found[1])})
    return _time(text)


if __name__ == "__main__":
    main()

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
MOST_DEAD_MESSAGES = 1000
PAGE_SECONDS = 60.0
"""Time for a page of some hundred images. The images service looks each of them up in the object store."""
AddVerb = Callable[[str, str, str], argparse.ArgumentParser]
"""Adds a command: its name, the method of `Operator`, and its help text."""
UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Operator:
    """Calls services as an operator. Each public method is a command."""

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
            user_id=await self._user_id(email),
            plan=plan,
            trial_ends_at=timestamps.to_proto(trial_until),
            ends_at=timestamps.to_proto(until),
            past_due=past_due,
        )
        return await self._billing.SetPlan(request)

    async def set_quota(self, email: str, images: int | None = None) -> Message:
        request = billing_pb2.SetQuotaRequest(user_id=await self._user_id(email), images_per_month=images)
        return await self._billing.SetQuota(request)

    async def show_quota(self, email: str, month: str = "") -> Message:
        request = billing_pb2.GetLedgerRequest(user_id=await self._user_id(email), period_start=month)
        return await self._billing.GetLedger(request)

    async def show_user(self, email: str) -> Message:
        return await self._auth.FindUser(auth_pb2.FindUserRequest(email=email))

    async def verify_user(self, email: str) -> Message:
        request = auth_pb2.MarkEmailVerifiedRequest(user_id=await self._user_id(email))
        return await self._auth.MarkEmailVerified(request)

    async def list_dead(self, limit: int = MOST_DEAD_MESSAGES) -> Message:
        return await self._images.ListDeadMessages(images_pb2.ListDeadMessagesRequest(limit=limit))

    async def redrive_dead(self, sequence: int) -> Message:
        request = images_pb2.RedriveDeadMessageRequest(sequence=sequence)
        return await self._images.RedriveDeadMessage(request)

    async def check_objects(self, *, mark: bool = False) -> AsyncIterator[Message]:
        """Yield each image with a missing object, and at the end the number of checked images."""
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

    async def _user_id(self, email: str) -> int:
        return (await self._auth.FindUser(auth_pb2.FindUserRequest(email=email))).user.id


def main() -> None:
    arguments = vars(build_parser().parse_args())
    command, as_json = arguments.pop("command"), arguments.pop("json")
    try:
        asyncio.run(_run_command(_read_settings(), command, arguments, indent=None if as_json else 2))
    except (errors.ServiceError, LookupError) as error:
        sys.exit(f"loupe-admin: {error}")


async def _run_command(
    settings: dict[str, str], command: str, arguments: dict[str, Any], indent: int | None
) -> None:
    """Call the method of `Operator` that `command` names, and print what it returns or yields."""
    answer = getattr(Operator(settings), command)(**arguments)
    if isinstance(answer, AsyncIterator):
        async for message in answer:
            _print(message, indent)
    else:
        _print(await answer, indent)


def _print(message: Message, indent: int | None) -> None:
    fields = MessageToDict(message, preserving_proto_field_name=True)
    print(json.dumps(fields, indent=indent))  # noqa: T201  the output of the command


def _read_settings() -> dict[str, str]:
    """Return the settings from the environment, or from a local stack in this folder or a parent."""
    from_environment = {name: os.environ.get(f"LOUPE_{name.upper()}", "") for name in REQUIRED_NAMES}
    if all(from_environment.values()):
        return from_environment | {name: os.environ.get(f"LOUPE_{name.upper()}", "") for name in TLS_FILES}
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / LOCAL_STACK).exists():
            local: dict[str, str] = json.loads((folder / LOCAL_STACK).read_text())["admin"]
            return local | {name: value for name, value in from_environment.items() if value}
    missing = ", ".join(f"LOUPE_{name.upper()}" for name, value in from_environment.items() if not value)
    raise LookupError(f"no local stack is running here, and these variables are not set: {missing}")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loupe-admin", description="Commands for operators of Loupe.")
    parser.add_argument("--json", action="store_true", help="print JSON on one line")
    parser.add_argument("--version", action="version", version=metadata.version("loupe-gateway"))
    noun_parsers = parser.add_subparsers(required=True, metavar="NOUN")

    def add_noun(noun: str, text: str) -> AddVerb:
        group = noun_parsers.add_parser(noun, help=text, description=text).add_subparsers(
            required=True, metavar="VERB"
        )

        def add_verb(name: str, command: str, text: str) -> argparse.ArgumentParser:
            added = group.add_parser(name, help=text, description=text)
            added.set_defaults(command=command)
            return added

        return add_verb

    _add_plans(add_noun("plan", "plans of users"))
    _add_quotas(add_noun("quota", "monthly quotas of users"))
    user = add_noun("user", "users")
    user("show", "show_user", "show a user").add_argument("email")
    user("verify", "verify_user", "mark a user's address as verified").add_argument("email")
    _add_repairs(add_noun)
    add_noun("keys", "signing keys")("rotate", "rotate_keys", "sign with a new key")
    return parser


def _add_plans(add_verb: AddVerb) -> None:
    add_verb("list", "list_plans", "list the plans of this installation")
    set_parser = add_verb(
        "set",
        "set_plan",
        "put a user on a plan; options that are not given are removed from the subscription",
    )
    set_parser.add_argument("email")
    set_parser.add_argument("plan", help="the slug of the plan, such as professional")
    set_parser.add_argument("--trial-until", type=_time, metavar="TIME", help="the trial ends then")
    set_parser.add_argument(
        "--until", type=_time, metavar="TIME", help="cancelled: the subscription ends then"
    )
    set_parser.add_argument(
        "--past-due", action="store_true", help="a payment is missing; the user cannot make new images"
    )


def _add_quotas(add_verb: AddVerb) -> None:
    show = add_verb("show", "show_quota", "show the entries of a user's month")
    show.add_argument("email")
    show.add_argument(
        "--month", default="", metavar="YYYY-MM-01", help="the first day of the month; default: this month"
    )
    set_parser = add_verb("set", "set_quota", "give a subscription its own quota")
    set_parser.add_argument("email")
    set_parser.add_argument("images", type=int, help="images a month")
    add_verb("reset", "set_quota", "return to the quota of the plan").add_argument("email")


def _add_repairs(add_noun: Callable[[str, str], AddVerb]) -> None:
    dead = add_noun("dead", "messages whose consumer gave up, including failed jobs")
    list_parser = dead("list", "list_dead", "list the messages, newest first")
    list_parser.add_argument(
        "--limit",
        type=int,
        default=MOST_DEAD_MESSAGES,
        help=f"how many messages, at most {MOST_DEAD_MESSAGES}",
    )
    dead("redrive", "redrive_dead", "send a message to its consumer again").add_argument("sequence", type=int)
    objects = add_noun("objects", "originals and results in the object store")
    check = objects("check", "check_objects", "list images whose original or result is missing")
    check.add_argument(
        "--mark",
        action="store_true",
        help="also mark these images as failed; read the list without this option first",
    )
    endings = add_noun("endings", "outcomes of images")
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

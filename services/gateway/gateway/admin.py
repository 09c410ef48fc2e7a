"""`loupe-admin`: what operators do, over gRPC with a credential of its own.

Finds a local stack by itself; elsewhere LOUPE_AUTH_TARGET, LOUPE_BILLING_TARGET and LOUPE_OPERATOR_SECRET say
where and who.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from pydantic import SecretStr

from common import errors
from common.channel import Channel
from common.credentials import Credentials
from loupe.auth.v1 import auth_pb2, auth_pb2_grpc
from loupe.billing.v1 import billing_pb2, billing_pb2_grpc

if TYPE_CHECKING:
    from loupe.auth.v1.auth_pb2_grpc import AuthServiceAsyncStub
    from loupe.billing.v1.billing_pb2_grpc import BillingServiceAsyncStub

LOCAL_STACK = Path(".loupe/local.json")
NAMES = ("auth_target", "billing_target", "operator_secret")


class Operator:
    """Calls as an operator."""

    def __init__(self, auth_target: str, billing_target: str, secret: str) -> None:
        credentials = Credentials(auth_target, "operator", SecretStr(secret))
        auth = Channel(
            auth_target, auth_pb2.DESCRIPTOR.services_by_name["AuthService"], credentials.token_for("auth")
        )
        billing = Channel(
            billing_target,
            billing_pb2.DESCRIPTOR.services_by_name["BillingService"],
            credentials.token_for("billing"),
        )
        self._auth: AuthServiceAsyncStub = auth_pb2_grpc.AuthServiceStub(auth.grpc)
        self._billing: BillingServiceAsyncStub = billing_pb2_grpc.BillingServiceStub(billing.grpc)

    async def set_plan(self, arguments: argparse.Namespace) -> Message:
        user = await self._auth.FindUser(auth_pb2.FindUserRequest(email=arguments.email))
        request = billing_pb2.SetPlanRequest(user_id=user.user.id, plan=arguments.plan)
        return await self._billing.SetPlan(request)

    async def show_user(self, arguments: argparse.Namespace) -> Message:
        return await self._auth.FindUser(auth_pb2.FindUserRequest(email=arguments.email))

    async def verify_user(self, arguments: argparse.Namespace) -> Message:
        user = await self._auth.FindUser(auth_pb2.FindUserRequest(email=arguments.email))
        return await self._auth.MarkEmailVerified(auth_pb2.MarkEmailVerifiedRequest(user_id=user.user.id))

    async def rotate_keys(self, arguments: argparse.Namespace) -> Message:
        return await self._auth.RotateKeys(auth_pb2.RotateKeysRequest())


def main() -> None:
    arguments = _parser().parse_args()
    try:
        where = _where()
        result = asyncio.run(_call(where, arguments))
    except (errors.ServiceError, LookupError) as error:
        sys.exit(f"loupe-admin: {error}")
    fields = MessageToDict(result, preserving_proto_field_name=True)
    print(json.dumps(fields, indent=None if arguments.json else 2))  # noqa: T201  a command's output


async def _call(where: dict[str, str], arguments: argparse.Namespace) -> Message:
    operator = Operator(where["auth_target"], where["billing_target"], where["operator_secret"])
    command: Callable[[argparse.Namespace], Awaitable[Message]] = getattr(operator, arguments.command)
    return await command(arguments)


def _where() -> dict[str, str]:
    """From the environment, else from the local stack of this folder or one above it."""
    told = {name: os.environ.get(f"LOUPE_{name.upper()}", "") for name in NAMES}
    if all(told.values()):
        return told
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / LOCAL_STACK).exists():
            local: dict[str, str] = json.loads((folder / LOCAL_STACK).read_text())["admin"]
            return local | {name: value for name, value in told.items() if value}
    missing = ", ".join(f"LOUPE_{name.upper()}" for name, value in told.items() if not value)
    raise LookupError(f"no local stack is running here, and these are not set: {missing}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="loupe-admin", description="What operators of Loupe do.")
    parser.add_argument("--json", action="store_true", help="one line of JSON")
    nouns = parser.add_subparsers(required=True, metavar="NOUN")
    plan = nouns.add_parser("plan", help="plans of users").add_subparsers(required=True, metavar="VERB")
    set_plan = plan.add_parser("set", help="put a user on a plan")
    set_plan.add_argument("email")
    set_plan.add_argument("plan", help="its slug, such as professional")
    set_plan.set_defaults(command="set_plan")
    user = nouns.add_parser("user", help="users").add_subparsers(required=True, metavar="VERB")
    for verb, text in (("show", "show a user"), ("verify", "mark a user's address as verified")):
        command = user.add_parser(verb, help=text)
        command.add_argument("email")
        command.set_defaults(command=f"{verb}_user")
    keys = nouns.add_parser("keys", help="signing keys").add_subparsers(required=True, metavar="VERB")
    keys.add_parser("rotate", help="sign with a new key").set_defaults(command="rotate_keys")
    return parser


if __name__ == "__main__":
    main()

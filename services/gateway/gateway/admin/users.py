"""`loupe-admin user`: the accounts of an installation."""

import getpass
import secrets
import string
import sys
from typing import Any

from common import errors
from gateway.admin import arguments, failures
from gateway.admin.answers import Answer, in_utc, instant, to_json
from gateway.admin.arguments import Noun, Nouns
from gateway.admin.calls import Operator
from gateway.admin.failures import CommandFailed, UsageError
from gateway.admin.plans import describe, quota_of
from gateway.admin.quotas import entitlement_to_json, quota_facts
from gateway.admin.tables import Column, Page, Table

COLUMNS = (
    Column("ID", is_number=True),
    Column("EMAIL"),
    Column("NAME", may_shorten=True),
    Column("PLAN"),
    Column("VERIFIED"),
    Column("CREATED (UTC)"),
    Column("USED", is_number=True),
    Column("QUOTA", is_number=True),
)
PASSWORD_CHARACTERS = "".join(set(string.ascii_letters + string.digits) - set("0O1Il"))
PASSWORD_LENGTH = 20


def add_to(nouns: Nouns) -> None:
    noun = nouns.add(
        "user",
        "users: list, add, show, verify, promote, demote, block, unblock, reset-second-factor",
        "user list --unverified",
    )
    _add_list(noun)
    _add_add(noun)
    show_parser = noun.verb("show", show_user, "show a user with plan and quota", "jane@example.com")
    arguments.add_email(show_parser)
    verify_parser = noun.verb(
        "verify", verify_user, "mark a user's address as verified, without a mail", "jane@example.com"
    )
    arguments.add_email(verify_parser)
    for verb, change, text in (
        ("promote", promote, "make a user an operator, who may use the operators' pages of the console"),
        ("demote", demote, "make an operator an ordinary user"),
        ("block", block, "refuse a user's logins, tokens and sessions from now on"),
        ("unblock", unblock, "admit a blocked user again"),
    ):
        arguments.add_email(noun.verb(verb, change, text, "jane@example.com"))
    reset_parser = noun.verb(
        "reset-second-factor",
        reset_second_factor,
        "switch off the second factor of a user who has lost it, and send the user a mail about it",
        "jane@example.com",
    )
    arguments.add_email(reset_parser)
    reset_parser.add_argument("--no-notice", action="store_true", help="send no mail")


def _add_list(noun: Noun) -> None:
    list_parser = noun.verb("list", list_users, "list users, oldest first", "--search example.com")
    list_parser.add_argument("--limit", type=arguments.count, metavar="N", help="how many; default: all")
    list_parser.add_argument(
        "--search", default="", metavar="TEXT", help="only users with this text in their address or name"
    )
    list_parser.add_argument(
        "--unverified", action="store_true", help="only users whose address is not verified"
    )


def _add_add(noun: Noun) -> None:
    add_parser = noun.verb(
        "add", add_user, "create a user with a verified address", "jane@example.com --plan professional"
    )
    arguments.add_email(add_parser)
    add_parser.add_argument("--name", help="default: the address up to the @")
    add_parser.add_argument("--plan", help="the plan; default: the first of `loupe-admin plan list`")
    add_parser.add_argument("--unlimited", action="store_true", help="without a monthly quota; needs --plan")
    add_parser.add_argument(
        "--password-stdin",
        action="store_true",
        help="read the password from standard input; without it a new one is generated and printed once",
    )


async def list_users(operator: Operator, limit: int | None, search: str, *, unverified: bool) -> Answer:
    listed: list[dict[str, Any]] = []
    rows: list[tuple[object, ...]] = []
    async for users in operator.list_users(search=search, unverified=unverified, limit=limit):
        entitlements = await operator.read_entitlements([user.id for user in users])
        for user, entitlement in zip(users, entitlements, strict=True):
            plan, used = entitlement.plan, entitlement.usage.used
            is_verified, created_at = user.HasField("email_verified_at"), instant(user, "created_at")
            rows.append(
                (user.id, user.email, user.name, plan.slug, is_verified, created_at, used, quota_of(plan))
            )
            listed.append(
                to_json(user)
                | {"plan": plan.slug, "used": used, "limit": to_json(entitlement.usage)["limit"]}
            )
    return Answer({"users": listed}, Table(COLUMNS, rows, "No users."))


async def add_user(
    operator: Operator,
    email: str,
    name: str | None,
    plan: str | None,
    *,
    unlimited: bool,
    password_stdin: bool,
) -> Answer:
    await _check_plan(operator, plan, unlimited=unlimited)
    password = _read_password() if password_stdin else generate_password()
    user = await operator.add_user(
        (email.partition("@")[0] or email) if name is None else name, email, password
    )
    printed = {} if password_stdin else {"password": password}
    try:
        slug = (await operator.set_plan(user.email, plan)).plan.slug if plan else None
        if unlimited:
            await operator.set_quota(user.email, unlimited=True)
    except errors.ServiceError as error:
        raise CommandFailed(
            f"{user.email} was created{''.join(f' with the password {text}' for text in printed.values())}, "
            f"but is not on the plan {plan}: {failures.sentence_of(error)}"
        ) from error
    on_plan = f" on the plan {slug}{', without a monthly quota' if unlimited else ''}" if slug else ""
    texts = [f"Created {user.email} (id {user.id}){on_plan}."]
    if printed:
        texts.append(f"Password: {password}\nIt is not stored anywhere, and not shown again.")
    return Answer({"user": to_json(user), "plan": slug} | printed, *texts)


async def show_user(operator: Operator, email: str) -> Answer:
    found = await operator.find_user(email)
    user = found.user
    [entitlement] = await operator.read_entitlements([user.id])
    subscription = entitlement.subscription if entitlement.HasField("subscription") else None
    facts: list[tuple[str, object]] = [
        ("id", user.id),
        ("email", user.email),
        ("name", user.name),
        ("verified", in_utc(instant(user, "email_verified_at"))),
        ("pending address", user.pending_email),
        ("second factor", user.second_factor),
        ("operator", user.is_operator),
        ("blocked", in_utc(instant(user, "blocked_at"))),
        ("created", in_utc(instant(user, "created_at"))),
        ("changed", in_utc(instant(user, "updated_at"))),
        ("tokens", found.token_count),
        ("subscription", describe(subscription) if subscription else None),
        *quota_facts(entitlement),
    ]
    return Answer(to_json(found) | entitlement_to_json(entitlement), Page(facts))


async def verify_user(operator: Operator, email: str) -> Answer:
    answer = await operator.verify_user(email)
    return Answer(to_json(answer), f"The address {answer.user.email} is verified.")


async def promote(operator: Operator, email: str) -> Answer:
    answer = await operator.set_operator(email, is_operator=True)
    return Answer(to_json(answer), f"{answer.user.email} is an operator.")


async def demote(operator: Operator, email: str) -> Answer:
    answer = await operator.set_operator(email, is_operator=False)
    return Answer(to_json(answer), f"{answer.user.email} is no operator.")


async def block(operator: Operator, email: str) -> Answer:
    answer = await operator.set_blocked(email, is_blocked=True)
    return Answer(to_json(answer), f"{answer.user.email} is blocked.")


async def unblock(operator: Operator, email: str) -> Answer:
    answer = await operator.set_blocked(email, is_blocked=False)
    return Answer(to_json(answer), f"{answer.user.email} is not blocked.")


async def reset_second_factor(operator: Operator, email: str, *, no_notice: bool) -> Answer:
    answer = await operator.reset_second_factor(email, no_notice=no_notice)
    return Answer(to_json(answer), f"{answer.user.email} has no second factor.")


def generate_password() -> str:
    """Return a password that registration accepts."""
    while True:
        password = "".join(secrets.choice(PASSWORD_CHARACTERS) for _ in range(PASSWORD_LENGTH))
        if all(map(any, zip(*((c.islower(), c.isupper(), c.isdigit()) for c in password), strict=True))):
            return password


def _read_password() -> str:
    """Return the first line of standard input. On a terminal, ask for it without showing it."""
    if sys.stdin.isatty():
        return getpass.getpass("Password: ")
    try:
        return sys.stdin.buffer.readline().decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise CommandFailed("the password on standard input is not UTF-8") from error


async def _check_plan(operator: Operator, plan: str | None, *, unlimited: bool) -> None:
    """Refuse, before anything is created, a plan that does not exist or cannot be unlimited."""
    if plan is None:
        if unlimited:
            raise UsageError("--unlimited needs a plan with a subscription: add --plan PLAN")
        return
    slugs = [one.slug for one in (await operator.list_plans()).plans]
    if plan not in slugs:
        raise CommandFailed(f"no plan {plan!r}; the plans are {', '.join(slugs)}")
    if unlimited and plan == slugs[0]:
        raise CommandFailed(f"the plan {plan} cannot be unlimited; choose one of {', '.join(slugs[1:])}.")

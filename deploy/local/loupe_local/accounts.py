"""Create the two users of the local stack.

They are created as a person would do it: register, open the link in the mail, and get a plan.
"""

import asyncio
import json
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from loupe_local.mailbox import newest_mail_to
from loupe_local.process import output_of
from loupe_local.services import Services
from loupe_local.state import State, read, write
from loupe_local.stores import Stores

FREE = "free"
PLAN = "professional"
FIRST_PLANS = "first-plans.json"
"""A file in the state's folder. It lists the users who have got their first plan."""
LINK = re.compile(r"https?://\S+/verify-email/\S+")


class AccountFailed(Exception):
    """The API or `loupe-admin` refused a step. The message holds its answer."""


@dataclass(frozen=True, slots=True)
class Account:
    name: str
    email: str
    password: str


def users(state: State) -> tuple[Account, Account]:
    return (
        Account("Jane Smith", "jane@example.com", f"Aa1{state.secret('user/jane')}"),
        Account("Omar Haddad", "omar@example.com", f"Aa1{state.secret('user/omar')}"),
    )


def passwords(state: State) -> dict[str, str]:
    """Return the password of each user, by mail address. A person may have changed it since."""
    return {user.email: user.password for user in users(state)}


async def create_users(stores: Stores, services: Services) -> tuple[str, str]:
    """Create both users if they are missing, and return a token of each.

    Both are verified. New ones get the professional plan. A plan that an operator has set later stays.
    """
    state = stores.supervisor.state
    jane, omar = users(state)
    async with httpx2.AsyncClient(base_url=services.api, timeout=30, trust_env=False) as client:
        first, second = await asyncio.gather(
            log_in(client, services, state, stores.mails, jane),
            log_in(client, services, state, stores.mails, omar),
        )
    return first, second


async def log_in(
    client: httpx2.AsyncClient, services: Services, state: State, mails: Path, account: Account
) -> str:
    """Return a token of the user. Steps that an interrupted start left undone are done first."""
    login = {"email": account.email, "password": account.password, "device_name": "local"}
    answer = await client.post("/api/auth/login", json=login)
    if answer.status_code == 401:
        _forget_plan(state, account)
        await register(client, mails, account)
        answer = await client.post("/api/auth/login", json=login)
    if answer.status_code == 403:
        await admin(services, "user", "verify", account.email)
        answer = await client.post("/api/auth/login", json=login)
    session = _data(answer)
    if account.email not in read(state.folder / FIRST_PLANS):
        await _give_first_plan(services, state, account, session["user"]["pricing_plan"]["slug"])
    return session["token"]


async def _give_first_plan(services: Services, state: State, account: Account, current: str) -> None:
    """Set the plan once, and remember it. A user of an earlier release keeps a plan that is not free."""
    if current == FREE:
        await admin(services, "plan", "set", account.email, PLAN)
        current = PLAN
    write(state.folder / FIRST_PLANS, read(state.folder / FIRST_PLANS) | {account.email: current})


def _forget_plan(state: State, account: Account) -> None:
    """Let a user who was deleted and is registered again get the first plan again."""
    plans = read(state.folder / FIRST_PLANS)
    plans.pop(account.email, None)
    write(state.folder / FIRST_PLANS, plans)


async def register(client: httpx2.AsyncClient, mails: Path, account: Account) -> None:
    body = {
        "name": account.name,
        "email": account.email,
        "password": account.password,
        "password_confirmation": account.password,
    }
    _data(await client.post("/api/auth/register", json=body))
    link = LINK.search((await newest_mail_to(mails, account.email)).get_content())
    if not link:
        raise AccountFailed(f"the mail to {account.email} contains no link")
    (await client.get(link[0])).raise_for_status()


async def first_run_code(services: Services) -> str:
    """Return a new code for the account of the first operator. Empty if there is an operator."""
    try:
        return json.loads(await admin(services, "--json", "first-run"))["code"]
    except AccountFailed as error:
        if "has an operator" in str(error):
            return ""
        raise


async def admin(services: Services, *arguments: str) -> str:
    """Run `loupe-admin` with these arguments, and return what it prints."""
    credentials = {f"LOUPE_{name.upper()}": value for name, value in services.admin.items()}
    status, output = await output_of([sys.executable, "-m", "gateway.admin", *arguments], env=credentials)
    if status:
        raise AccountFailed(output)
    return output


def _data(answer: httpx2.Response) -> dict[str, Any]:
    if answer.is_error:
        raise AccountFailed(f"the API refused {answer.request.url.path}: {answer.status_code} {answer.text}")
    return answer.json()["data"]

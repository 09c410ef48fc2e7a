"""Runs `loupe-admin` against a stack, as an operator runs it."""

import json
import sys
from typing import Any

from loupe_local.process import output_of
from loupe_local.stack import Stack
from tests.gateway.harness import Person
from tests.polling import until

COMMAND = (sys.executable, "-m", "gateway.admin")


async def run(stack: Stack, *arguments: str, stdin: bytes = b"", **replaced: str) -> tuple[int, str]:
    """Run a command. Return its exit status and its output."""
    variables = {f"LOUPE_{name.upper()}": value for name, value in stack.services.admin.items()}
    return await output_of([*COMMAND, *arguments], stdin, env=variables | replaced)


async def result_of(stack: Stack, *arguments: str) -> dict[str, Any]:
    status, output = await run(stack, "--json", *arguments)
    assert status == 0, output
    assert "\n" not in output
    return json.loads(output)


async def result_lines(stack: Stack, *arguments: str) -> list[dict[str, Any]]:
    status, output = await run(stack, "--json", *arguments)
    assert status == 0, output
    return [json.loads(line) for line in output.splitlines()]


async def until_audited(stack: Stack, person: Person, event: str, actor: Person) -> None:
    """Wait until the audit has this event of the person, by this operator."""

    async def is_there() -> bool:
        found = await result_of(stack, "audit", "list", "--user-id", str(person.id), "--event", event)
        return [entry["operator_id"] for entry in found["entries"]] == [actor.id]

    await until(is_there)

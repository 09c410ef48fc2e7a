"""docs/api.md agrees with the API: endpoints, abilities, codes and examples."""

import json
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gateway.http import errors as http_errors
from loupe import refusals
from loupe.refusals import Refusal
from tests.contract import shapes
from tests.contract.audit_shapes import ENTRY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text()
REASON = re.compile(r'(?:reason=|Error, )"([a-z_]+)"')
INTERNAL_CODES = {
    # within the worker and among services
    "too_many_pixels",
    "caller_refused", "client_refused", "internal_token_invalid", "invalid_reservation_id",
    "incomplete_upload", "malformed_upload", "image_busy", "model_elsewhere", "malformed_message",
    "invalid_page",
    # for operators only
    "dead_message_not_found", "image_not_failed", "plan_not_found", "no_subscription", "free_plan",
    "invalid_period", "invalid_quota", "invalid_limit", "too_many_users", "redrive_failed",
    "consumer_unavailable", "invalid_position", "own_account", "operator_exists", "first_run_refused",
    "operator_second_factor_required",
}  # fmt: skip
EXAMPLES = {
    "Registration successful. Please verify your email to access all features.": shapes.SESSION,
    "API token created successfully": shapes.NEW_TOKEN,
    "API tokens retrieved successfully": shapes.TOKENS,
    "Image uploaded and queued for processing": shapes.ACCEPTED,
    "Image retrieved successfully": shapes.IMAGE,
    "Upload prepared successfully": shapes.DIRECT_UPLOAD,
    "Image deleted successfully": None,
    "Download URL generated successfully": shapes.DOWNLOAD,
    "Pyramid retrieved successfully": shapes.PYRAMID,
    "Batch created and images queued for processing": shapes.ACCEPTED_BATCH,
    "User retrieved successfully": shapes.USER,
    "Usage statistics retrieved successfully": shapes.USAGE,
    "Estimate made successfully": shapes.ESTIMATE,
    "Usage history retrieved successfully": shapes.USAGE_HISTORY,
    "Subscription details retrieved successfully": shapes.SUBSCRIPTION,
    "Models retrieved successfully": shapes.MODELS,
    "Plans retrieved successfully": shapes.PLANS,
}


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def unnamed(path: str) -> str:
    return re.sub(r"{\w+}", "{}", path)


@pytest.fixture(scope="module")
async def document(anyone: httpx2.AsyncClient) -> dict[str, Any]:
    return (await anyone.get("/openapi.json")).raise_for_status().json()


def abilities_in_table(security: list[dict[str, list[str]]]) -> str:
    """Return the abilities as the page writes them."""
    if not security or {} in security:
        return "none"
    abilities = security[0]["token"]
    return {0: "any token", 4: "all four"}.get(len(abilities)) or f"`{', '.join(abilities)}`"


async def test_every_endpoint_is_in_the_table_with_its_ability(document: dict[str, Any]) -> None:
    described = {
        (method.upper(), unnamed(path)): abilities_in_table(operation["security"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }

    rows = re.findall(r"^\| ([A-Z]+) \| `([^`]+)` \| ([^|]+?) \|", section("Endpoints"), re.MULTILINE)

    assert {(method, unnamed(path)): ability for method, path, ability in rows} == described


def test_every_code_of_the_api_is_in_the_table() -> None:
    sources = [source.read_text() for source in (ROOT / "services").rglob("*.py")]
    modules = (refusals, http_errors)
    named = {one.code for module in modules for one in vars(module).values() if isinstance(one, Refusal)}
    given = named | {code for source in sources for code in REASON.findall(source)}

    rows = re.findall(r"^\| \d+ \| ([^|]+) \|", section("Errors"), re.MULTILINE)

    listed = {code for row in rows for code in re.findall(r"`([a-z_]+)`", row)}
    assert given >= INTERNAL_CODES
    assert listed == given - INTERNAL_CODES


async def test_every_code_is_in_the_row_of_its_status(document: dict[str, Any]) -> None:
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", section("Errors"), re.MULTILINE)
    listed = {(status, code) for status, row in rows for code in re.findall(r"`([a-z_]+)`", row)}

    described = {
        (status, code)
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, answer in operation["responses"].items()
        if status >= "400"
        for code in re.findall(r'"code": "([a-z_]+)"', json.dumps(answer))
    }

    assert described
    assert described <= listed


def test_every_example_has_the_shape_of_an_answer() -> None:
    blocks = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]

    successes = [block for block in blocks if block["success"]]
    for block in successes:
        if "meta" in block:
            item = ENTRY if block["message"] == "Audit retrieved successfully" else shapes.IMAGE
            shapes.check(block, shapes.a_page_of(item))
        else:
            shapes.check(block, shapes.a_success(EXAMPLES[block["message"]]))
    for block in blocks:
        if not block["success"]:
            shapes.check(block, shapes.a_failure(on_fields="errors" in block))
    assert {block["message"] for block in successes} >= EXAMPLES.keys()


def test_every_link_within_the_page_has_a_target() -> None:
    titles = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in titles}

    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) <= anchors

"""The default plans are those of the contract. Another file can replace them. An invalid file is refused."""

import tomllib
from pathlib import Path

import pytest
from pydantic import ValidationError

from billing import plans
from common import errors

API, SUPPORT, BATCHES, FIRST = "api_access", "priority_support", "batch_processing", "priority_queue"
PLAN = """
[[plan]]
id = 1
slug = "free"
name = "Free"
features = []
requests_per_hour = 100
images_per_month = 2
max_scale = 4
"""


def a_file(folder: Path, text: str) -> str:
    path = folder / "plans.toml"
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("number", "slug", "an_hour", "a_month", "price", "features"),
    [
        (1, "free", 100, 2, 0, ()),
        (2, "starter", 500, 25, 9, (API, SUPPORT)),
        (3, "professional", 2_000, 250, None, (API, SUPPORT, BATCHES)),
        (4, "enterprise", 10_000, 1_000, None, (API, SUPPORT, BATCHES, FIRST)),
    ],
)
def test_the_default_plans_are_those_of_the_contract(
    number: int, slug: str, an_hour: int, a_month: int, price: int | None, features: tuple[str, ...]
) -> None:
    plan = plans.load("").by_slug(slug)

    assert (plan.id, plan.name) == (number, slug.capitalize())
    assert (plan.requests_per_hour, plan.images_per_month, plan.max_scale) == (an_hour, a_month, 4)
    assert plan.price == price
    assert plan.features == features


def test_there_are_four_plans_and_the_free_one_is_the_default() -> None:
    shipped = plans.load("")

    assert [plan.slug for plan in shipped.plan] == ["free", "starter", "professional", "enterprise"]
    assert shipped.free.slug == "free"


def test_a_limit_has_key_value_and_unit() -> None:
    plan = plans.load("").by_slug("starter").to_proto()

    assert [(limit.key, limit.value, limit.unit) for limit in plan.limits] == [
        ("images_per_month", 25, "images"),
        ("requests_per_hour", 500, "requests"),
        ("max_scale", 4, "factor"),
    ]
    assert plan.price == 9
    assert not plans.load("").by_slug("enterprise").to_proto().HasField("price")


def test_another_file_replaces_the_default_plans(tmp_path: Path) -> None:
    text = PLAN.replace("images_per_month = 2\n", "").replace('"Free"', '"Für alle"')

    [plan] = plans.load(a_file(tmp_path, text)).plan

    assert plan.name == "Für alle"
    assert plan.images_per_month is None
    assert not plan.to_proto().HasField("images_per_month")
    assert not plan.to_proto().limits[0].HasField("value")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (('slug = "free"', 'slug = "Free Plan"'), "plan.0.slug"),
        (("max_scale = 4", "max_scale = 8"), "plan.0.max_scale"),
        (("requests_per_hour = 100", "requests_per_hour = 0"), "plan.0.requests_per_hour"),
        (("images_per_month = 2", "images_per_month = -1"), "plan.0.images_per_month"),
        (("images_per_month = 2", 'images_per_month = "many"'), "plan.0.images_per_month"),
        (("images_per_month", "images_a_month"), "plan.0.images_a_month"),
        (('name = "Free"\n', ""), "plan.0.name"),
        (("[[plan]]", "[[plans]]"), "plans"),
    ],
    ids=str,
)
def test_an_invalid_file_is_refused_with_the_name_of_the_field(
    tmp_path: Path, change: tuple[str, str], named: str
) -> None:
    path = a_file(tmp_path, PLAN.replace(*change))

    with pytest.raises(ValidationError) as caught:
        plans.load(path)

    assert named in str(caught.value)


@pytest.mark.parametrize("same", ["id", "slug"])
def test_two_plans_with_the_same_name_are_refused(tmp_path: Path, same: str) -> None:
    other = PLAN.replace("id = 1", "id = 2") if same == "slug" else PLAN.replace('"free"', '"other"')

    with pytest.raises(ValidationError, match=same):
        plans.load(a_file(tmp_path, PLAN + other))


def test_a_file_without_plans_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="plan"):
        plans.load(a_file(tmp_path, ""))


def test_a_file_that_is_not_toml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(tomllib.TOMLDecodeError, match="line 1"):
        plans.load(a_file(tmp_path, "{}"))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.toml"):
        plans.load(str(tmp_path / "none.toml"))


def test_an_unknown_plan_is_refused_with_the_names_of_all_plans() -> None:
    with pytest.raises(errors.NotFound, match="no plan 'gold'; the plans are free, starter") as caught:
        plans.load("").by_slug("gold")

    assert caught.value.reason == "plan_not_found"

"""No field is silently ignored: unknown, empty and repeated ones are named in `warnings`, the last key.

A name that looks like another option is refused if no valid size was sent, before anything is stored.
"""

from typing import Any

import httpx2
import pytest

from loupe_local.stack import Stack
from tests.client import client_of
from tests.contract.api_client import MULTIPART, SMALL, invalid_fields, new_email, registration
from tests.contract.shapes import ACCEPTED, ACCEPTED_BATCH, check
from tests.gateway.harness import People
from tests.gateway.multipart_bodies import a_body, a_part

IGNORED = "The {} field is unknown and was ignored"
FORMS = {"/api/images/upscale": "image", "/api/batches": "images[]"}
each_form = pytest.mark.parametrize("path", FORMS)


async def send(client: httpx2.AsyncClient, path: str, *parts: tuple[str, str]) -> httpx2.Response:
    """Send a form with a small photo and these texts, in this order."""
    texts = [a_part(name, text.encode()) for name, text in parts]
    body = a_body(a_part(FORMS[path], SMALL, "photo.jpg"), *texts)
    return await client.post(path, content=body, headers=MULTIPART)


def warnings(answer: httpx2.Response) -> list[dict[str, str]]:
    """Return the warnings of an accepted upload. They are the last key of the envelope."""
    assert answer.status_code == 202, answer.text
    assert list(answer.json()) == ["success", "message", "data", "warnings"]
    return answer.json()["warnings"]


@each_form
async def test_a_form_without_mistakes_has_no_warnings(jane: httpx2.AsyncClient, path: str) -> None:
    answer = await send(jane, path, ("scale_factor", "2"), ("output_format", "png"))

    assert answer.status_code == 202
    assert list(answer.json()) == ["success", "message", "data"]


@each_form
async def test_an_unknown_field_is_accepted_and_named(jane: httpx2.AsyncClient, path: str) -> None:
    answer = await send(jane, path, ("_token", "x"), ("project_id", "7"))

    assert warnings(answer) == [
        {"field": name, "message": IGNORED.format(name) + "."} for name in ("_token", "project_id")
    ]
    check(answer.json()["data"], ACCEPTED if path.endswith("upscale") else ACCEPTED_BATCH)


@each_form
@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("scale", "scale_factor"),
        ("factor", "scale_factor"),
        ("upscale", "scale_factor"),
        ("scaleFactor", "scale_factor"),
        ("Scale_Factor", "scale_factor"),
        ("scale-factor[]", "scale_factor"),
        ("scale_facto", "scale_factor"),
        ("scale_factors", "scale_factor"),
        ("width", "target_width"),
        ("HEIGHT", "target_height"),
        ("size", "target_width"),
        ("target_widht", "target_width"),
        ("target_hight", "target_height"),
        ("output_formt", "output_format"),
        ("meta_data", "metadata"),
    ],
)
async def test_a_near_miss_is_refused_without_a_size_and_named_with_one(
    jane: httpx2.AsyncClient, path: str, name: str, meant: str
) -> None:
    alone = await send(jane, path, (name, "4"))
    beside = await send(jane, path, (name, "4"), ("scale_factor", "3"))

    assert invalid_fields(alone) == {name: [f"The {name} field is unknown: did you mean `{meant}`?"]}
    assert "warnings" not in alone.json()
    message = f"{IGNORED.format(name)}: did you mean `{meant}`?"
    assert warnings(beside) == [{"field": name, "message": message}]
    assert beside.json()["data"]["scale_factor"] == 3


@each_form
@pytest.mark.parametrize("size", [("scale_factor", ""), ("scale_factor", "9"), ("target_width", "wide")])
async def test_an_empty_or_invalid_size_does_not_excuse_a_near_miss(
    jane: httpx2.AsyncClient, path: str, size: tuple[str, str]
) -> None:
    fields = invalid_fields(await send(jane, path, size, ("scale", "4")))

    assert set(fields) == {"scale"} | ({size[0]} if size[1] else set())


@each_form
@pytest.mark.parametrize(
    ("name", "meant"), [("Quality", "quality"), ("mode", "model"), ("format", "output_format")]
)
async def test_a_name_that_is_only_alike_is_named_but_never_refused(
    jane: httpx2.AsyncClient, path: str, name: str, meant: str
) -> None:
    answer = await send(jane, path, (name, "80"))

    assert warnings(answer)[0]["message"] == f"{IGNORED.format(name)}: did you mean `{meant}`?"


async def test_a_refused_near_miss_stores_and_reserves_nothing(stack: Stack, people: People) -> None:
    person = await people.new("professional")

    async with client_of(stack, person.token) as client:
        for path in FORMS:
            assert (await send(client, path, ("scale", "4"))).status_code == 422
        usage = (await client.get("/api/usage")).json()["data"]["image_uploads"]
        images = (await client.get("/api/images")).json()["meta"]["total"]

    assert (usage["used"], images) == (0, 0)


async def test_a_file_under_another_name_is_named(jane: httpx2.AsyncClient) -> None:
    body = a_body(a_part("image", SMALL, "a.jpg"), a_part("images", SMALL, "b.jpg"))

    answer = await jane.post("/api/images/upscale", content=body, headers=MULTIPART)

    assert warnings(answer) == [
        {"field": "images", "message": f"{IGNORED.format('images')}: did you mean `image`?"}
    ]


@each_form
async def test_a_repeated_and_an_empty_option_are_named(jane: httpx2.AsyncClient, path: str) -> None:
    answer = await send(jane, path, ("scale_factor", "3"), ("quality", ""), ("scale_factor", "4"))

    assert answer.json()["data"]["scale_factor"] == 4
    assert warnings(answer) == [
        {
            "field": "scale_factor",
            "message": "The scale_factor field was sent 2 times: the last value was used.",
        },
        {"field": "quality", "message": "The quality field is empty and counts as not sent."},
    ]


async def test_many_and_strange_names_make_few_and_short_warnings(jane: httpx2.AsyncClient) -> None:
    names = ["x" * 5000, "a\u202eb\x01", *(f"other{number}" for number in range(40))]

    found = warnings(await send(jane, "/api/images/upscale", *((name, "") for name in names)))

    assert len(found) == 21
    assert found[0]["field"] == "x" * 64 + "…"
    assert found[1]["field"] == "a\\u202eb\\x01"
    assert found[-1] == {"field": "*", "message": "22 more fields have warnings like these."}


@each_form
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale_factor": "2"},
        {"target_width": "48"},
        {"target_height": "32"},
    ],
    ids=["alone", "scale", "width", "height"],
)
async def test_fit_needs_two_targets(jane: httpx2.AsyncClient, path: str, options: dict[str, str]) -> None:
    answer = await send(jane, path, ("fit", "cover"), *options.items())

    assert invalid_fields(answer) == {
        "fit": ["The fit can only be used with both target_width and target_height."]
    }


@each_form
async def test_a_refused_choice_lists_the_choices(jane: httpx2.AsyncClient, path: str) -> None:
    wrong = [(name, "wrong") for name in ("fit", "output_format", "metadata", "model")]

    fields = invalid_fields(await send(jane, path, *wrong))

    assert fields == {
        "fit": ["The fit must be one of: stretch, cover, contain."],
        "output_format": ["The output format must be one of: jpeg, jpg, png, webp, tiff, avif, jxl."],
        "metadata": ["The metadata must be one of: strip, keep."],
        "model": fields["model"],
    }
    assert fields["model"][0].startswith("The model must be one of: auto, faithful, clean")


@pytest.mark.parametrize("is_json", [True, False])
async def test_a_body_of_an_account_names_unknown_fields(
    stack: Stack, anyone: httpx2.AsyncClient, people: People, is_json: bool
) -> None:
    async def send_to(client: httpx2.AsyncClient, path: str, fields: dict[str, str]) -> dict[str, str]:
        method = "PATCH" if path == "/api/user" else "POST"
        if is_json:
            return named(await client.request(method, path, json=fields))
        return named(await client.request(method, path, data=fields))

    found = [
        await send_to(
            anyone,
            "/api/auth/register",
            registration(new_email()) | {"devicename": "x", "plan": "starter"},
        )
    ]
    async with client_of(stack, (await people.new()).token) as client:
        found.append(await send_to(client, "/api/user/tokens", {"name": "x", "ability": "images:read"}))
        found.append(await send_to(client, "/api/user", {"name": "New", "e-mail": "x@example.com"}))

    assert found == [{"devicename": "device_name", "plan": ""}, {"ability": "abilities"}, {"e-mail": "email"}]


def named(answer: httpx2.Response) -> dict[str, str]:
    """Return for each field with a warning the one that was probably meant."""
    body: dict[str, Any] = answer.json()
    assert answer.status_code < 300, answer.text
    assert list(body)[-1] == "warnings"
    return {
        one["field"]: one["message"].partition("did you mean `")[2].removesuffix("`?")
        for one in body["warnings"]
    }


async def test_a_repeated_key_of_a_body_is_named(anyone: httpx2.AsyncClient) -> None:
    body = b'{"email": "a@example.com", "email": "b@example.com"}'

    answer = await anyone.post("/api/auth/forgot-password", content=body)

    assert named(answer) == {"email": ""}
    assert "sent 2 times" in answer.json()["warnings"][0]["message"]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("perpage=5", {"perpage": "per_page"}),
        ("Status=failed&page=1", {"Status": "status"}),
        ("limit=5", {"limit": ""}),
        ("per_page=500", {"per_page": ""}),
        ("page=two&page=3&status=", {"page": "", "status": ""}),
    ],
)
@pytest.mark.parametrize("path", ["/api/images", "/api/batches"])
async def test_a_list_names_what_it_ignores_in_its_query(
    jane: httpx2.AsyncClient, path: str, query: str, expected: dict[str, str]
) -> None:
    answer = await jane.get(f"{path}?{query}")

    assert named(answer) == expected
    assert list(answer.json()) == ["success", "message", "data", "meta", "links", "warnings"]


@pytest.mark.parametrize("path", ["/api/user", "/api/usage", "/api/plans", "/api/models"])
async def test_other_routes_name_query_parameters_too(jane: httpx2.AsyncClient, path: str) -> None:
    assert named(await jane.get(path, params={"expand": "all"})) == {"expand": ""}
    assert "warnings" not in (await jane.get(path)).json()


async def test_refusals_have_no_warnings(jane: httpx2.AsyncClient) -> None:
    answers = [await jane.get(f"/api/images{query}") for query in ("/0?expand=all", "?status=x&expand=all")]

    assert [answer.status_code for answer in answers] == [404, 422]
    assert not [answer for answer in answers if "warnings" in answer.json()]


async def test_the_rest_of_an_answer_stays_as_it_is(stack: Stack, people: People) -> None:
    async with client_of(stack, (await people.new()).token) as client:
        plain, warned = [await client.get("/api/usage", params=query) for query in ({}, {"x": "1"})]

    assert '"percentage":0.0,' in plain.text
    assert warned.text.startswith(plain.text.removesuffix("}"))


@each_form
async def test_an_option_without_effect_on_the_result_is_named(jane: httpx2.AsyncClient, path: str) -> None:
    without = await send(jane, path, ("quality", "80"), ("output_format", "png"))
    with_effect = await send(jane, path, ("quality", "80"), ("output_format", "webp"))

    assert warnings(without) == [
        {"field": "quality", "message": "The quality field has no effect on a result in PNG."}
    ]
    assert with_effect.status_code == 202
    assert "warnings" not in with_effect.json()

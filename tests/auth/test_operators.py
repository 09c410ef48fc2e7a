"""Operators list, create, find and verify users."""

import pytest

from common import errors
from loupe.auth.v1 import auth_pb2 as pb
from tests.auth.harness import PASSWORD, AuthHarness, events


async def addresses(auth: AuthHarness, search: str = "", *, unverified: bool = False) -> list[str]:
    """Return the addresses of the users that the operator lists."""
    answer = await auth.operator.ListUsers(pb.ListUsersRequest(search=search, unverified=unverified))
    assert not answer.next_after_id
    return [user.email for user in answer.users]


async def refused(auth: AuthHarness, **changes: str) -> dict[str, list[str]]:
    usual = {"name": "Jane", "email": "jane@example.com", "password": PASSWORD}
    with pytest.raises(errors.InvalidArgument) as caught:
        await auth.operator.CreateUser(pb.CreateUserRequest(**(usual | changes)))
    return caught.value.fields


async def test_users_are_listed_in_pages(auth: AuthHarness) -> None:
    people = [f"user{number}@example.com" for number in range(5)]
    for email in people:
        await auth.register(email=email)

    pages: list[list[str]] = []
    request = pb.ListUsersRequest(limit=2)
    while True:
        answer = await auth.operator.ListUsers(request)
        pages.append([user.email for user in answer.users])
        request.after_id = answer.next_after_id
        if not answer.next_after_id:
            break

    assert pages == [people[:2], people[2:4], people[4:]]


async def test_the_last_full_page_is_followed_by_an_empty_one(auth: AuthHarness) -> None:
    await auth.register()

    full = await auth.operator.ListUsers(pb.ListUsersRequest(limit=1))
    empty = await auth.operator.ListUsers(pb.ListUsersRequest(limit=1, after_id=full.next_after_id))

    assert len(full.users) == 1
    assert (list(empty.users), empty.next_after_id) == ([], 0)


@pytest.mark.parametrize("limit", [-1, 501])
async def test_a_page_that_is_too_large_is_refused(auth: AuthHarness, limit: int) -> None:
    with pytest.raises(errors.InvalidArgument) as caught:
        await auth.operator.ListUsers(pb.ListUsersRequest(limit=limit))

    assert caught.value.reason == "invalid_limit"


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("", ["jane@example.com", "omar_1@example.org"]),
        ("JANE", ["jane@example.com"]),
        ("haddad", ["omar_1@example.org"]),
        ("example.", ["jane@example.com", "omar_1@example.org"]),
        ("é", ["omar_1@example.org"]),
        ("_", ["omar_1@example.org"]),
        ("%", []),
        ("\\", []),
        ("\0", []),
    ],
)
async def test_a_search_finds_parts_of_address_and_name_as_they_are_written(
    auth: AuthHarness, search: str, found: list[str]
) -> None:
    await auth.register()
    await auth.register(email="omar_1@example.org", name="Omár É. Haddad")

    assert await addresses(auth, search) == found


async def test_only_users_without_a_verified_address_are_listed(auth: AuthHarness) -> None:
    await auth.register_verified()
    await auth.register(email="omar@example.com")

    assert await addresses(auth, unverified=True) == ["omar@example.com"]
    assert await addresses(auth, "jane@", unverified=True) == []


async def test_an_operator_creates_a_user_who_can_log_in_at_once(auth: AuthHarness) -> None:
    request = pb.CreateUserRequest(name=" Jane ", email=" Jane@Example.COM ", password=PASSWORD)

    created = (await auth.operator.CreateUser(request)).user

    assert (created.name, created.email) == ("Jane", "jane@example.com")
    assert created.HasField("email_verified_at")
    assert (await auth.login()).user == created
    assert await events(auth, "auth.mail_wanted", pb.MailWanted) == []


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"name": " "}, {"name": ["The name field is required."]}),
        ({"email": "jane"}, {"email": ["The email must be a valid email address."]}),
        ({"password": ""}, {"password": ["The password field is required."]}),
        ({"password": "Short1x"}, {"password": ["The password must be at least 8 characters."]}),
    ],
)
async def test_a_user_of_an_operator_follows_the_rules_of_registration(
    auth: AuthHarness, changes: dict[str, str], fields: dict[str, list[str]]
) -> None:
    assert await refused(auth, **changes) == fields
    assert await addresses(auth) == []


async def test_an_operator_cannot_create_a_user_twice(auth: AuthHarness) -> None:
    await auth.register()

    assert await refused(auth, email="JANE@example.com") == {"email": ["The email has already been taken."]}
    assert await addresses(auth) == ["jane@example.com"]


async def test_a_found_user_comes_with_the_number_of_tokens_that_have_not_expired(auth: AuthHarness) -> None:
    await auth.register_verified()
    await auth.login()
    await auth.change("UPDATE token SET expires_at = now() - interval '1 second' WHERE id = 1")

    found = await auth.operator.FindUser(pb.FindUserRequest(email="jane@example.com"))

    assert found.token_count == 1


async def test_others_may_neither_list_nor_create_users(auth: AuthHarness) -> None:
    user = await auth.user((await auth.register_verified()).token)

    for call in (
        auth.gateway.ListUsers(pb.ListUsersRequest()),
        user.ListUsers(pb.ListUsersRequest()),
        auth.gateway.CreateUser(pb.CreateUserRequest()),
        user.CreateUser(pb.CreateUserRequest()),
    ):
        with pytest.raises(errors.PermissionDenied) as caught:
            await call
        assert caught.value.reason == "caller_refused"

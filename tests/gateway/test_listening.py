"""The gateway listens on an IPv6 address too."""

from tests.gateway.harness import gateway_on, settings_without_services


async def test_the_api_is_answered_over_ipv6() -> None:
    async with (
        gateway_on(settings_without_services(), wait_for_services=False, host="[::1]") as gateway,
        gateway.client() as client,
    ):
        answer = await client.get("/")

    assert answer.status_code == 200

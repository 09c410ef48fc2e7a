"""Gets from auth the keys that check the tokens of callers, and the tokens for calling other services."""

from datetime import datetime

from pydantic import SecretStr

from common import timestamps
from common.channel import Channel, TokenSource
from common.identity import ServiceTokens, Verifier
from common.tls import Tls
from loupe.auth.v1 import auth_pb2 as pb
from loupe.auth.v1 import auth_pb2_grpc


class Credentials:
    """The connection of one service to auth.

    `client` and `secret` authenticate this service. A service that calls no other service needs neither.
    """

    def __init__(
        self,
        auth_target: str,
        client: str = "",
        secret: SecretStr | None = None,
        *,
        tls: Tls | None = None,
    ) -> None:
        self._client = client
        self._secret = secret or SecretStr("")
        self._tokens = ServiceTokens(self._issue)
        channel = Channel(auth_target, pb.DESCRIPTOR.services_by_name["AuthService"], tls=tls)
        self._auth = auth_pb2_grpc.AuthServiceStub(channel.grpc)

    def verifier(self, audience: str) -> Verifier:
        """Return a verifier for tokens that callers of the service `audience` send."""
        return Verifier(audience, self._fetch_jwks)

    def token_for(self, audience: str) -> TokenSource:
        """Return a function that returns a valid token for calling the service `audience`."""

        async def source() -> str:
            return await self._tokens.for_audience(audience)

        return source

    async def _fetch_jwks(self) -> str:
        return (await self._auth.GetJwks(pb.GetJwksRequest())).jwks

    async def _issue(self, audience: str) -> tuple[str, datetime]:
        response = await self._auth.IssueServiceToken(
            pb.IssueServiceTokenRequest(
                client=self._client, secret=self._secret.get_secret_value(), audience=audience
            )
        )
        return response.token, timestamps.from_proto(response.expires_at)

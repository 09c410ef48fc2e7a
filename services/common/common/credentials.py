"""What a service needs from auth: keys for checking the tokens of callers, and tokens for calling others."""

from datetime import datetime

from pydantic import SecretStr

from common import timestamps
from common.channel import Channel, TokenSource
from common.identity import ServiceTokens, Verifier
from common.tls import Tls
from loupe.auth.v1 import auth_pb2 as pb
from loupe.auth.v1 import auth_pb2_grpc


class Credentials:
    """`client` and `secret` authenticate this service. A service that calls no other one needs neither."""

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
        return Verifier(audience, self._jwks)

    def token_for(self, audience: str) -> TokenSource:
        async def source() -> str:
            return await self._tokens.for_audience(audience)

        return source

    async def _jwks(self) -> str:
        return (await self._auth.GetJwks(pb.GetJwksRequest())).jwks

    async def _issue(self, audience: str) -> tuple[str, datetime]:
        response = await self._auth.IssueServiceToken(
            pb.IssueServiceTokenRequest(
                client=self._client, secret=self._secret.get_secret_value(), audience=audience
            )
        )
        return response.token, timestamps.from_proto(response.expires_at)

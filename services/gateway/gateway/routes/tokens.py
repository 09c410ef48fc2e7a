"""The caller's API tokens."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, Field

from gateway.backend import BackendDep
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message, parse_id
from gateway.identity.route_access import AccountOwner, AccountReader, TokenHolder
from gateway.openapi import examples
from gateway.openapi.operation import Links, Operation, json_body
from gateway.openapi.schema_parts import Ability
from gateway.routes.account import PROOF_NEEDED
from loupe import refusals
from loupe.auth.v1 import auth_pb2 as pb
from rest.values import format_time

router = APIRouter(prefix="/api/user/tokens", tags=["account"])
TokenId = Annotated[int, BeforeValidator(parse_id)]


class TokenRequest(BaseModel):
    name: str = ""
    abilities: list[Ability] | None = Field(default=None, min_length=1)
    """None means all abilities."""
    expires_at: str = ""
    """A time as in RFC 3339. Empty means the default of the installation."""
    current_password: str = ""
    otp: str = ""


class Token(BaseModel):
    id: int
    name: str
    abilities: list[Ability]
    last_used_at: str | None
    created_at: str
    expires_at: str | None


class Tokens(BaseModel):
    tokens: list[Token]
    count: int


class NewToken(BaseModel):
    """A token as in the list, and its text, `<id>|<secret>`, which is shown only this once."""

    token: Token
    plain_text: str


LIST_TOKENS = Operation(
    id="listTokens",
    summary="List your tokens",
    message="API tokens retrieved successfully",
    description="The text of a token is not in the list. It is shown only once, when the token is created.",
    example_data={"tokens": [examples.TOKEN], "count": 1},
)


@router.get("")
@LIST_TOKENS.describes
async def list_tokens(caller: AccountReader) -> Envelope[Tokens]:
    response = await caller.auth.ListTokens(pb.ListTokensRequest())
    tokens = [to_token(token) for token in response.tokens]
    return LIST_TOKENS.answer(Tokens(tokens=tokens, count=len(tokens)))


CREATE_TOKEN = Operation(
    id="createToken",
    summary="Create a token",
    message="API token created successfully",
    description=(
        "Needs a token with all abilities. The text of the new token is shown only this once. "
        f"{PROOF_NEEDED.format(what='A token that lives longer than the one of this request')}"
    ),
    example_data={"token": examples.TOKEN, "plain_text": "1|abc123…"},
    body=json_body(
        TokenRequest,
        "name",
        example={"name": "My App", "abilities": ["images:read"], "expires_at": "2030-01-01T00:00:00Z"},
    ),
    refusals=(refusals.REAUTHENTICATION_REQUIRED,),
    links=Links(("revokeToken",), "token_id", new_id="/data/token/id"),
)


@router.post("", status_code=201)
@CREATE_TOKEN.describes
async def create_token(request: Request, caller: AccountOwner) -> Envelope[NewToken]:
    values = await bodies.parse(request, TokenRequest, "abilities")
    response = await caller.auth.CreateToken(pb.CreateTokenRequest(**values))
    return CREATE_TOKEN.answer(NewToken(token=to_token(response.token), plain_text=response.text))


REVOKE_TOKEN = Operation(
    id="revokeToken",
    summary="Revoke a token",
    message="Token revoked successfully",
    description="A token may revoke itself. To revoke another token, it needs all abilities.",
    refusals=(refusals.MISSING_ABILITY,),
)


@router.delete("/{token_id}")
@REVOKE_TOKEN.describes
async def revoke_token(token_id: TokenId, caller: TokenHolder, backend: BackendDep) -> Message:
    await caller.auth.RevokeToken(pb.RevokeTokenRequest(token_id=token_id))
    backend.callers.forget(caller.user.id)
    return REVOKE_TOKEN.done()


def to_token(token: pb.Token) -> Token:
    return Token(
        id=token.id,
        name=token.name,
        abilities=list(token.abilities),
        last_used_at=format_time(token.last_used_at) if token.HasField("last_used_at") else None,
        created_at=format_time(token.created_at),
        expires_at=format_time(token.expires_at) if token.HasField("expires_at") else None,
    )

"""The caller's API tokens."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from pydantic import BaseModel, BeforeValidator, Field

from gateway.backend import Backend
from gateway.http import bodies
from gateway.http.envelope import Envelope, Message, instant, plain_id
from gateway.identity.access import Access
from gateway.identity.callers import Caller
from loupe.auth.v1 import auth_pb2

router = APIRouter(prefix="/api/user/tokens", tags=["account"])
Reader = Annotated[Caller, Depends(Access("user:read", verified=False))]
Owner = Annotated[Caller, Depends(Access(everything=True, verified=False))]
Anyone = Annotated[Caller, Depends(Access(verified=False))]
TokenId = Annotated[int, BeforeValidator(plain_id)]


class WantedToken(BaseModel):
    name: str = ""
    abilities: list[str] | None = Field(default=None, min_length=1)
    """Null: all of them."""
    expires_at: str = ""
    """An instant of RFC 3339; empty: never."""


class Token(BaseModel):
    id: int
    name: str
    abilities: list[str]
    last_used_at: str | None
    created_at: str
    expires_at: str | None


class Tokens(BaseModel):
    tokens: list[Token]
    count: int


class NewToken(BaseModel):
    """The token as the list shows it, and its text, `<id>|<secret>`, which is told only this once."""

    token: Token
    plain_text: str


@router.get("")
async def list_tokens(request: Request, caller: Reader) -> Envelope[Tokens]:
    backend: Backend = request.app.state.backend
    response = await backend.auth.ListTokens(auth_pb2.ListTokensRequest())
    tokens = [to_token(token) for token in response.tokens]
    return Envelope(
        message="API tokens retrieved successfully", data=Tokens(tokens=tokens, count=len(tokens))
    )


@router.post("", status_code=201, openapi_extra=bodies.described(WantedToken, "name"))
async def create_token(request: Request, caller: Owner) -> Envelope[NewToken]:
    backend: Backend = request.app.state.backend
    values = bodies.checked(WantedToken, await bodies.read(request, "abilities"))
    response = await backend.auth.CreateToken(auth_pb2.CreateTokenRequest(**values))
    new = NewToken(token=to_token(response.token), plain_text=response.text)
    return Envelope(message="API token created successfully", data=new)


@router.delete("/{token_id}")
async def revoke_token(request: Request, token_id: TokenId, caller: Anyone) -> Message:
    """Any token may end itself; others end by one that may do everything."""
    backend: Backend = request.app.state.backend
    await backend.auth.RevokeToken(auth_pb2.RevokeTokenRequest(token_id=token_id))
    backend.callers.forget(caller.user.id)
    return Message(message="Token revoked successfully")


def to_token(token: auth_pb2.Token) -> Token:
    return Token(
        id=token.id,
        name=token.name,
        abilities=list(token.abilities),
        last_used_at=instant(token.last_used_at) if token.HasField("last_used_at") else None,
        created_at=instant(token.created_at),
        expires_at=instant(token.expires_at) if token.HasField("expires_at") else None,
    )

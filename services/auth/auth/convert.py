"""Converts rows to protobuf."""

from auth.tables import Token, User
from common import timestamps
from loupe.auth.v1 import auth_pb2 as pb


def user_to_proto(user: User) -> pb.User:
    return pb.User(
        id=user.id or 0,
        name=user.name,
        email=user.email,
        email_verified_at=timestamps.to_proto(user.email_verified_at),
        created_at=timestamps.to_proto(user.created_at),
        updated_at=timestamps.to_proto(user.updated_at),
        pending_email=user.pending_email or "",
        second_factor=user.second_factor_at is not None,
    )


def token_to_proto(token: Token) -> pb.Token:
    return pb.Token(
        id=token.id or 0,
        name=token.name,
        abilities=token.abilities,
        last_used_at=timestamps.to_proto(token.last_used_at),
        created_at=timestamps.to_proto(token.created_at),
        expires_at=timestamps.to_proto(token.expires_at),
    )

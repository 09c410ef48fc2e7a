"""Internal tokens signed by the test with keys of its own, and the key set that a verifier fetches."""

import base64
import json
import secrets
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from common.channel import TokenSource


class Issuer:
    """Stands where auth's key ring is. `published` keys are in the set, which was `fetched` so many times."""

    def __init__(self) -> None:
        self.published: dict[str, Ed25519PrivateKey] = {}
        self.fetched = 0
        self.key_id = self.rotate()

    def rotate(self, *, publish: bool = True) -> str:
        self.key_id = secrets.token_hex(4)
        self.key = Ed25519PrivateKey.generate()
        if publish:
            self.published[self.key_id] = self.key
        return self.key_id

    async def jwks(self) -> str:
        self.fetched += 1
        keys = [
            OKPAlgorithm.to_jwk(key.public_key(), as_dict=True) | {"kid": key_id, "alg": "EdDSA"}
            for key_id, key in self.published.items()
        ]
        return json.dumps({"keys": keys})

    def user(self, user_id: int = 7, *, abilities: tuple[str, ...] = (), **claims: Any) -> str:
        told = {"sub": str(user_id), "token_id": 70, "abilities": list(abilities), "verified": True}
        return self.sign(**(told | claims))

    def service(self, name: str, **claims: Any) -> str:
        return self.sign(**({"sub": f"service:{name}"} | claims))

    def sign(self, **claims: Any) -> str:
        usual = {"aud": "images", "iss": "loupe-auth", "iat": int(time.time()), "exp": int(time.time()) + 60}
        payload = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(payload, self.key, algorithm="EdDSA", headers={"kid": self.key_id})


def unsigned(token: str, **headers: str) -> str:
    """The same claims under the algorithm `none`."""
    header = {"alg": "none", "typ": "JWT"} | headers
    encoded = base64.urlsafe_b64encode(json.dumps(header).encode()).decode().rstrip("=")
    return f"{encoded}.{token.split('.')[1]}."


def always(token: str) -> TokenSource:
    async def source() -> str:
        return token

    return source

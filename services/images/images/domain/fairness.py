"""The key by which a worker shares its decoders between users, without knowing who they are."""

import hashlib
import hmac

KEY_BYTES = 16


def key_of(user_id: int, secret: bytes) -> str:
    """Return the same text for all images of a user. Without the secret it does not name the user."""
    return hmac.digest(secret, b"fairness %d" % user_id, hashlib.sha256)[:KEY_BYTES].hex()

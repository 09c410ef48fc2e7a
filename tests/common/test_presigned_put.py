"""Our signature of a PUT equals that of AWS's library: `S3SigV4QueryAuth` of botocore 1.44.8 made these."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from common import presigned_put

AT = datetime(2026, 11, 30, 12, 34, 56, tzinfo=UTC)
LOCAL = "http://127.0.0.1:8333/loupe/images/incoming/0123456789abcdef"
AWS = "https://loupe.s3.eu-central-1.amazonaws.com/images/incoming/abc"
ODD = "https://s3.example.com:9000/bucket/with%20space%2Band-~._"
NONE: dict[str, str] = {}
TYPE_AND_LENGTH = {"Content-Type": "image/jpeg", "Content-Length": "1234"}
CHECKSUM = {"Content-Type": "image/png", "Content-Length": "1", "x-amz-checksum-sha256": "q83v+/=="}
SIGNATURES = [
    (LOCAL, NONE, "5bfcaae5c53560e475332330eb5b963245efff844d5dece63c160e0aba3d5519"),
    (LOCAL, TYPE_AND_LENGTH, "aa85f382657c9381bb213a8667271cbba75958a6883f0943e962552dc1f7f5dc"),
    (LOCAL, CHECKSUM, "00c037df92fafc56edff0f26914543de7d543217ed33cc5d299f05ab83a75e14"),
    (AWS, NONE, "7a60833ff2cfdfd179fa86e5cde17fc7668e8e529161a7a3a5b66cc994d71c24"),
    (AWS, TYPE_AND_LENGTH, "5198fb88d5679eee20d268222b16427dbee196083a0322a71ee17e454e32bd1f"),
    (AWS, CHECKSUM, "b3263cfe1e3190cfc2b6c8f44b96c7edb41dc3e67ebbff953a86f38314a686d0"),
    (ODD, NONE, "468f0606b1a84c0760a48b8cc6de628bfba6472510f04a78b33c8e748f21617a"),
    (ODD, TYPE_AND_LENGTH, "7723e1ebce9f5e47a81e754d131ab3d828495b8a8e99458efb29b810f052f5ce"),
    (ODD, CHECKSUM, "648d47c9994b21866047f3ad50a718ad9c2333b9deb7e92a0b6439fc1d68929b"),
]


@pytest.mark.parametrize(("address", "headers", "signature"), SIGNATURES)
def test_the_signature_equals_that_of_aws(address: str, headers: dict[str, str], signature: str) -> None:
    signed = presigned_put.sign(
        address,
        headers,
        access_key="an+id",
        secret_key="a/secret",
        region="eu-central-1",
        at=AT,
        expires=timedelta(hours=1),
    )

    query = parse_qs(urlsplit(signed).query)
    assert signed.startswith(f"{address}?")
    assert query["X-Amz-Signature"] == [signature]
    assert query["X-Amz-Credential"] == ["an+id/20261130/eu-central-1/s3/aws4_request"]
    assert query["X-Amz-Expires"] == ["3600"]

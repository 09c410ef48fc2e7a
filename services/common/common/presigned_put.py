"""Signs a PUT of one object, so that a client without credentials can store exactly what was agreed.

The signature (AWS Signature Version 4, in the query) covers headers beside the host: a length, a type and a
checksum. A store refuses a request with other values. minio's client signs the host alone.
"""

import hashlib
import hmac
from collections.abc import Mapping
from datetime import datetime, timedelta
from urllib.parse import quote, urlencode, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"


def sign(
    address: str,
    headers: Mapping[str, str],
    *,
    access_key: str,
    secret_key: str,
    region: str,
    at: datetime,
    expires: timedelta,
) -> str:
    """Return the address with a signature that is valid from `at`, which is in UTC, for the time `expires`.

    `address` has no query. The client has to send all of these headers, with these values.
    """
    parts = urlsplit(address)
    day = at.strftime("%Y%m%d")
    scope = f"{day}/{region}/s3/aws4_request"
    signed = {"host": parts.netloc} | {name.lower(): value.strip() for name, value in headers.items()}
    names = sorted(signed)
    query = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{access_key}/{scope}",
        "X-Amz-Date": at.strftime("%Y%m%dT%H%M%SZ"),
        "X-Amz-Expires": str(int(expires.total_seconds())),
        "X-Amz-SignedHeaders": ";".join(names),
    }
    canonical_query = urlencode(sorted(query.items()), quote_via=quote, safe="-_.~")
    lines = [f"{name}:{signed[name]}" for name in names]
    request = "\n".join(["PUT", parts.path, canonical_query, *lines, "", ";".join(names), UNSIGNED])
    to_sign = "\n".join([ALGORITHM, query["X-Amz-Date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    return f"{address}?{canonical_query}&X-Amz-Signature={signature}"

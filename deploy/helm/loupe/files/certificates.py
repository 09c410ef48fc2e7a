"""Writes the certificate by which the servers of the object store recognise each other.

Its argument is the folder. Nobody else has the certificate, and the key of the authority that signed it is
not kept. If the folder has a certificate, nothing is done.
"""
# ruff: noqa: INP001  a script

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_FOR = timedelta(days=3650)


def sign(
    name: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey,
    signer: ec.EllipticCurvePrivateKey,
    extension: x509.ExtensionType,
) -> bytes:
    """Return a certificate as PEM."""
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + VALID_FOR)
    builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
    return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def write(path: Path, content: bytes) -> None:
    """Write the file for its owner alone, at once or not at all."""
    new = path.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_bytes(content)
    new.replace(path)


def main(folder: Path) -> None:
    if (folder / "tls.crt").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    authority, key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    ours, theirs = (
        x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in ("object-store", "authority")
    )
    purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
    is_authority = x509.BasicConstraints(ca=True, path_length=0)
    write(folder / "ca.crt", sign(theirs, theirs, authority, authority, is_authority))
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    write(folder / "tls.key", key.private_bytes(pem, pkcs8, serialization.NoEncryption()))
    write(folder / "tls.crt", sign(ours, theirs, key, authority, purposes))


main(Path(sys.argv[1]))

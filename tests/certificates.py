"""A certificate authority for tests. Its certificates are valid for one day."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from common.tls import Tls

DAY = timedelta(days=1)


class Authority:
    """An authority that writes its certificate, and those that it signs, to a folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._path = folder / f"{name}.crt"
        builder = self._builder(self._subject, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        self._path.write_bytes(_pem(builder.sign(self._key, hashes.SHA256())))

    def sign(self, name: str, *, address: str = "127.0.0.1", host: str = "") -> Tls:
        """Sign a certificate for a service at this address, or of this host. Signing again renews it."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        alternative = x509.DNSName(host) if host else x509.IPAddress(ip_address(address))
        names = x509.SubjectAlternativeName([alternative])
        signed = self._builder(subject, key).add_extension(names, critical=False)
        certificate, private_key = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(_pem(signed.sign(self._key, hashes.SHA256())))
        private_key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return Tls(certificate, private_key, self._path)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        today = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(today - DAY)
            .not_valid_after(today + DAY)
        )


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)

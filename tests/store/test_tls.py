"""rediss:// with a certificate of a private authority; the server is a fake one, as the bundled has no TLS."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from twisted.internet import reactor
from twisted.internet.ssl import PrivateCertificate
from twisted.trial.unittest import TestCase

from nled.store.address import parse
from nled.store.client import Client, StoreUnavailable
from tests.store.support import FakeServer


def authority_with_certificate(host: str) -> tuple[bytes, bytes]:
    """Make an authority and a certificate for a host; both as PEM, the second with its key."""
    now = datetime.now(UTC)
    names = {who: x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, who)]) for who in ("authority", host)}
    keys = {who: ec.generate_private_key(ec.SECP256R1()) for who in names}

    def signed(who: str, extension: x509.ExtensionType) -> x509.Certificate:
        return (
            x509.CertificateBuilder()
            .subject_name(names[who])
            .issuer_name(names["authority"])
            .public_key(keys[who].public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(extension, critical=True)
            .sign(keys["authority"], hashes.SHA256())
        )

    pem = serialization.Encoding.PEM
    key = keys[host].private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    authority = signed("authority", x509.BasicConstraints(ca=True, path_length=None))
    certificate = signed(host, x509.SubjectAlternativeName([x509.DNSName(host)]))
    return authority.public_bytes(pem), certificate.public_bytes(pem) + key


class TLSTests(TestCase):
    def serve(self, host: str) -> tuple[str, Path]:
        authority, certificate = authority_with_certificate(host)
        cafile = Path(self.mktemp())
        cafile.write_bytes(b"a comment\n" + authority)
        context = PrivateCertificate.loadPEM(certificate).options()
        self.server = FakeServer(lambda command: b"+PONG\r\n", context)
        self.addCleanup(self.server.stop)
        return f"localhost:{self.server.port}", cafile.absolute()

    async def assert_refused(self, url: str) -> None:
        client = Client(reactor, parse(url))
        with self.assertRaisesRegex(StoreUnavailable, "certificate is for this host and trusted"):
            await client.start(0.7)

    async def test_trusted(self) -> None:
        where, cafile = self.serve("localhost")
        client = Client(reactor, parse(f"rediss://u:p@{where}?cafile={cafile}"))
        self.addCleanup(client.stop)
        await client.start(5)
        self.assertEqual(await client.command("PING"), "PONG")

    async def test_unknown_authority(self) -> None:
        where, _ = self.serve("localhost")
        await self.assert_refused(f"rediss://{where}")
        await self.assert_refused(f"rediss://u:p@{where}")

    async def test_for_another_host(self) -> None:
        where, cafile = self.serve("elsewhere.example")
        await self.assert_refused(f"rediss://{where}?cafile={cafile}")

"""Providers with TLS: whose certificate is trusted, what is said where it is not, and how one's own is named."""

import ssl
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
import trio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from reconciler.tls import trusted
from tests.conftest import Run
from tests.serving.origin import Asked, Origin, answer, numbers, origin, segment, stage_of
from tests.serving.stage import served, watching


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """Key and certificate of a provider at 127.0.0.1 that signed for itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "provider.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def anew() -> Iterator[None]:
    """What is trusted is read once a process: read it again in here and afterwards."""
    trusted.cache_clear()
    yield
    trusted.cache_clear()


def provider(certificate: Path) -> AbstractAsyncContextManager[Origin]:
    """A provider that speaks TLS with this certificate."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate)
    return origin(tls=tls)


async def stream(asked: Asked) -> None:
    """Numbered packets, for ever."""
    await asked.stream.send_all(answer(length=False) + b"".join(segment(n) for n in range(30)))
    await trio.sleep_forever()


@pytest.mark.usefixtures("anew")
def test_a_certificate_of_its_own_is_named(
    run: Run[None], tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SSL_CERT_FILE adds it to what is trusted, and the stream plays."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))

    async def main() -> None:
        async with provider(certificate) as there:
            there.pages["/one.ts"] = stream
            stage = stage_of(tmp_path, there.url + "/one.ts")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                found = numbers(await viewer.read(200_000))
                assert list(range(found[0], found[0] + len(found))) == found

    run(main)
    assert len(trusted().get_ca_certs()) > 50, "it stands beside those that all trust, not in their place"


@pytest.mark.usefixtures("anew")
def test_a_certificate_that_nobody_vouches_for(
    run: Run[None], tmp_path: Path, certificate: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The way fails with what is wrong and what helps, and nothing was sent."""

    async def main() -> None:
        async with provider(certificate) as there:
            stage = stage_of(tmp_path, there.url + "/one.ts")
            stage.publish()
            async with served(stage) as serving, watching(serving.dvrs["news"], "/auto/v1000") as viewer:
                assert (503, "806 Tune Failed") == (viewer.status, viewer.headers["x-hdhomerun-error"])
            assert [] == there.asked

    run(main)
    assert "no TLS with 127.0.0.1: its certificate is not trusted (self" in caplog.text
    assert "SSL_CERT_FILE may name it" in caplog.text

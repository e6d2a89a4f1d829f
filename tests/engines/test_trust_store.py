from __future__ import annotations

import hashlib
import ssl
import struct
import subprocess
from pathlib import Path

import pytest

from airflow_lake_provider.engines.data_plane import find_java
from airflow_lake_provider.engines.trust_store import PASSWORD, java_options, jks, trusted_authorities

# A certificate that signs itself, made for this test.
AUTHORITY = """\
-----BEGIN CERTIFICATE-----
MIIBlzCCAT2gAwIBAgIUZT5G5RA7E2zv7+lHb5TnjhnqmxkwCgYIKoZIzj0EAwIw
IDEeMBwGA1UEAwwVQSBjb21wYW55J3MgYXV0aG9yaXR5MCAXDTI2MTEyMTEwMjQw
NloYDzIxMjYxMDI4MTAyNDA2WjAgMR4wHAYDVQQDDBVBIGNvbXBhbnkncyBhdXRo
b3JpdHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAARgx9YuC+3bkiskckvkaUBa
3Jm4PioVMeq4O9XrCFfmn4kWlvMFHnvsjStmCPis65oVjwINRviK4MeD4iPSbL+x
o1MwUTAdBgNVHQ4EFgQUcAnfKuRySTkoX2roHxq6rA8THR4wHwYDVR0jBBgwFoAU
cAnfKuRySTkoX2roHxq6rA8THR4wDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQD
AgNIADBFAiEAwdAzm0Pb9IJDOYg021Ge7PACO9Meq6YrQjhldh+J5dsCIEt7oByH
MR+goiqBEFO2/Sca1JKMssZRR3L9VUAS7XHm
-----END CERTIFICATE-----
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    path = tmp_path / "company.pem"
    path.write_text(AUTHORITY)
    return path


def test_authority_of_the_environment_is_among_the_trusted(bundle: Path) -> None:
    der = ssl.PEM_cert_to_DER_cert(AUTHORITY)
    for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE"):
        assert der in trusted_authorities({name: str(bundle)})
    assert der not in trusted_authorities({})


def test_bundle_that_is_broken_or_gone_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "broken.pem").write_text("no certificate")
    known = trusted_authorities({})
    assert trusted_authorities({"SSL_CERT_FILE": str(tmp_path / "broken.pem"), "PIP_CERT": "/nowhere"}) == known


def test_store_ends_with_the_digest_that_java_checks() -> None:
    data = jks([b"certificate"])
    body, digest = data[:-20], data[-20:]
    assert struct.unpack(">III", body[:12]) == (0xFEEDFEED, 2, 1)
    assert digest == hashlib.sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body).digest()


def test_java_reads_the_store(bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = find_java()
    if home is None or not (home / "bin" / "keytool").exists():
        pytest.skip("this system has no keytool of Java 17")
    monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    options = java_options(tmp_path)
    assert options is not None
    (store,) = tmp_path.glob("trust-*.jks")
    assert f'-Djavax.net.ssl.trustStore="{store}"' in options
    listed = subprocess.run(
        [str(home / "bin" / "keytool"), "-list", "-keystore", str(store), "-storepass", PASSWORD],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    fingerprint = hashlib.sha256(ssl.PEM_cert_to_DER_cert(AUTHORITY)).hexdigest().upper()
    assert ":".join(fingerprint[n : n + 2] for n in range(0, 64, 2)) in listed.replace("\n", "")

"""The certificate authorities of this machine in the form that Java reads.

A JRE from a Python package brings its own list, which knows nothing of a company's proxy; this machine's does.
"""

from __future__ import annotations

import hashlib
import os
import ssl
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

PASSWORD = "changeit"
"""Java's own word for stores of public certificates; it guards nothing."""

_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
# Where the distributions keep the bundle: Debian, Red Hat, Alpine and macOS.
_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
_MAGIC, _VERSION, _TRUSTED_CERTIFICATE = 0xFEEDFEED, 2, 2
_SALT = b"Mighty Aphrodite"  # the JKS format asks for it


def java_options(folder: Path) -> str | None:
    """Write a trust store with this machine's authorities and return the JVM's options for it.

    ``None`` where the machine has no bundle: the JRE's own list then has to do.
    """
    authorities = trusted_authorities()
    if not authorities:
        return None
    data = jks(authorities)
    path = folder / f"trust-{hashlib.sha256(data).hexdigest()[:16]}.jks"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return f'-Djavax.net.ssl.trustStore="{path}" -Djavax.net.ssl.trustStorePassword={PASSWORD}'


def trusted_authorities(environ: Mapping[str, str] | None = None) -> list[bytes]:
    """Return the DER certificates of all bundles that the environment or the system names, each once."""
    values = os.environ if environ is None else environ
    named = [values.get(name) for name in _VARIABLES]
    found: dict[bytes, None] = {}
    for bundle in dict.fromkeys([*named, ssl.get_default_verify_paths().cafile, *_BUNDLES]):
        if not bundle or not Path(bundle).is_file():
            continue
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            context.load_verify_locations(cafile=bundle)
        except (OSError, ssl.SSLError):
            continue
        found.update(dict.fromkeys(context.get_ca_certs(binary_form=True)))
    return list(found)


def jks(certificates: Sequence[bytes]) -> bytes:
    """Return a Java key store (JKS) of trusted certificates, given as DER.

    >>> jks([])[:12].hex()
    'feedfeed0000000200000000'
    """
    body = struct.pack(">III", _MAGIC, _VERSION, len(certificates))
    for number, certificate in enumerate(certificates):
        body += struct.pack(">I", _TRUSTED_CERTIFICATE) + _utf(f"authority-{number}") + struct.pack(">Q", 0)
        body += _utf("X.509") + struct.pack(">I", len(certificate)) + certificate
    return body + hashlib.sha1(PASSWORD.encode("utf-16-be") + _SALT + body).digest()


def _utf(text: str) -> bytes:
    data = text.encode("utf-8")
    return struct.pack(">H", len(data)) + data

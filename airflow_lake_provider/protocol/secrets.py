"""Secrets of a catalog: a request names the environment variables that hold them, never what they hold."""

from __future__ import annotations

import re
from typing import Dict, Mapping, Tuple

# Iceberg's properties that hold one: jdbc.password, token, credential, s3.access-key-id, s3.secret-access-key,
# s3.session-token, gcs.oauth2.token, adls.auth.shared-key.account.key, adls.sas-token.<account>, header.Authorization.
# Not token-refresh-enabled, oauth2-server-uri or client.credentials-provider.
_SECRET_KEY = re.compile(
    r"(?:^|[._-])(?:password|passphrase|secret|token|credential|authorization)$"
    r"|(?:secret|access)[._-]?(?:access[._-]?)?key(?:[._-]?id)?$"
    r"|(?:account|private)[._-]?key$"
    r"|sas[._-]token(?:\.|$)"
    r"|connection[._-]string(?:\.|$)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(r"\$\{env\.([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_IN_URI = re.compile(r"//[^/?#\s@:]*:[^/?#\s@]+@|[?&;](?:ssl)?password=[^&;]", re.IGNORECASE)


def is_secret(key: str) -> bool:
    """Whether a catalog's property of this name holds a secret.

    >>> is_secret("jdbc.password"), is_secret("s3.secret-access-key"), is_secret("token-refresh-enabled")
    (True, True, False)
    """
    return bool(_SECRET_KEY.search(key))


def secrets_in_clear(properties: Mapping[str, str]) -> Tuple[str, ...]:
    """Return the names of the properties that hold a secret, by their name or as the password in a URI.

    >>> secrets_in_clear({"uri": "jdbc:postgresql://db/lake?user=me&password=x", "jdbc.user": "me", "token": "abc"})
    ('uri', 'token')
    """
    return tuple(key for key, value in properties.items() if is_secret(key) or _SECRET_IN_URI.search(value))


def secrets_apart(properties: Mapping[str, str]) -> Tuple[Dict[str, str], Dict[str, str]]:
    """Split the properties into those that may be told and, by their variables' names, those that hold a secret.

    >>> secrets_apart({"jdbc.user": "me", "jdbc.password": "${env.PG_PASSWORD}"})
    ({'jdbc.user': 'me'}, {'jdbc.password': 'PG_PASSWORD'})
    """
    named = {key: _REFERENCE.fullmatch(value) for key, value in properties.items() if is_secret(key)}
    secrets = {key: match[1] for key, match in named.items() if match is not None}
    return {key: value for key, value in properties.items() if key not in secrets}, secrets


def missing_secrets(secrets: Mapping[str, str], environment: Mapping[str, str]) -> Tuple[str, ...]:
    """Return which variables of ``secrets`` (a property to its variable) have no value in an environment, sorted."""
    return tuple(sorted({name for name in secrets.values() if not environment.get(name)}))

"""Secrets under ``catalog``: ``${env.NAME}`` there is not looked up; its name travels, and the job looks it up."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from airflow_lake_provider.protocol.secrets import is_secret, secrets_apart, secrets_in_clear
from airflow_lake_provider.spec.node import MAPPING, Node
from airflow_lake_provider.spec.problem import Problem

SECRET = "secret"
"""The code of a secret in clear."""

_SECRET_VARIABLE = re.compile(
    r"PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|AUTHORIZATION|(?:^|_)(?:PASS|PWD|PW|AUTH|DSN|PAT|SAS)(?:_|$)"
    r"|(?:API|ACCESS|ACCOUNT|PRIVATE|ENCRYPTION|SIGNING|MASTER|SSH)_?KEY|CONNECTION_?STRING|AIRFLOW_CONN_",
    re.IGNORECASE,
)


def is_secret_variable(name: str, value: str) -> bool:
    """Whether an environment variable holds a secret: by its name, or as the password in a URI.

    >>> is_secret_variable("GITHUB_TOKEN", "abc"), is_secret_variable("LAKE_DB", "postgresql://me:pw@db/lake")
    (True, True)
    >>> is_secret_variable("LANDING_BUCKET", "s3://landing")
    False
    """
    return bool(_SECRET_VARIABLE.search(name)) or bool(secrets_in_clear({"": value}))


def secret_entries(environment: Node, env: Collection[str]) -> dict[str, tuple[Node, Node]]:
    """Return the entries of an environment's ``catalog`` that name a variable of ``env`` for a secret."""
    catalog = environment.get("catalog")
    if catalog is None or catalog.kind != MAPPING:
        return {}
    texts = {key: node.value for key, (_, node) in catalog.entries.items() if isinstance(node.value, str)}
    _, named = secrets_apart(texts)
    return {key: catalog.entries[key] for key, name in named.items() if name in env}


def with_catalog(environment: Node, *, less: Collection[str] = (), more: Mapping[str, tuple[Node, Node]]) -> Node:
    """Return an environment whose ``catalog`` has lost some entries, or got some."""
    if not less and not more:
        return environment
    key, catalog = environment.entries["catalog"]
    entries = {name: entry for name, entry in catalog.entries.items() if name not in less}
    changed = catalog.with_entries({**entries, **more})
    return environment.with_entries({**environment.entries, "catalog": (key, changed)})


def secret_problems(properties: Mapping[str, str]) -> Iterator[Problem]:
    """Yield the properties of a catalog that hold a secret in clear."""
    plain, _ = secrets_apart(properties)
    for key in secrets_in_clear(plain):
        hint = f"Write `{key}: ${{env.NAME}}`, with `NAME` under the environment's `env`: the job reads it."
        if not is_secret(key):
            hint = "Leave the password out of the URI: `jdbc.user` and `jdbc.password: ${env.NAME}`."
        yield Problem((key,), SECRET, f"`{key}` holds a secret in clear", hint, at_key=True)

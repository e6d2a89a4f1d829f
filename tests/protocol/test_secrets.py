"""Which of a catalog's properties hold a secret."""

from __future__ import annotations

import time

import pytest

from airflow_lake_provider.protocol.secrets import is_secret, missing_secrets, secrets_apart, secrets_in_clear

SECRETS = [
    "jdbc.password", "password", "credential", "token", "client_secret", "client-secret", "rest.auth.basic.password",
    "s3.access-key-id", "s3.secret-access-key", "s3.session-token", "fs.s3a.secret.key", "fs.s3a.access.key",
    "gcs.oauth2.token", "adls.auth.shared-key.account.key", "adls.sas-token.acme", "adls.connection-string.acme",
    "header.Authorization", "gcs.private-key", "TOKEN",
]  # fmt: skip
NO_SECRETS = [
    "uri", "jdbc.user", "token-refresh-enabled", "token-expires-in-ms", "token-exchange-enabled", "oauth2-server-uri",
    "client.credentials-provider", "rest.authorization-url", "s3.endpoint", "adls.auth.shared-key.account.name",
    "gcs.oauth2.token-expires-at", "scope", "io-impl", "s3.sse.type", "rest.auth.type", "glue.id", "client.region",
]  # fmt: skip


@pytest.mark.parametrize("key", SECRETS)
def test_properties_that_hold_a_secret(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize("key", NO_SECRETS)
def test_properties_that_hold_none(key: str) -> None:
    assert not is_secret(key)


@pytest.mark.parametrize(
    ("uri", "is_in_clear"),
    [
        ("jdbc:postgresql://db:5432/lake?user=me&sslmode=require", False),
        ("jdbc:postgresql://db/lake?user=me&password=x", True),
        ("jdbc:sqlserver://db;database=lake;password=x;", True),
        ("jdbc:mysql://me:x@db/lake", True),
        ("https://me@catalog.example/api?a=b:c@d", False),
        ("https://catalog.example:8181/api", False),
    ],
)
def test_password_in_a_uri(uri: str, is_in_clear: bool) -> None:
    assert secrets_in_clear({"uri": uri}) == (("uri",) if is_in_clear else ())


def test_references_travel_as_names_and_only_where_a_secret_is_expected() -> None:
    plain, secrets = secrets_apart({
        "uri": "${env.URI}", "token": "${env.TOKEN}", "jdbc.password": "pre${env.X}", "credential": "abc",
    })  # fmt: skip
    assert secrets == {"token": "TOKEN"}
    assert plain == {"uri": "${env.URI}", "jdbc.password": "pre${env.X}", "credential": "abc"}
    assert secrets_in_clear(plain) == ("jdbc.password", "credential")


def test_variables_without_a_value() -> None:
    assert missing_secrets({"a": "SET", "b": "EMPTY", "c": "GONE"}, {"SET": "x", "EMPTY": ""}) == ("EMPTY", "GONE")


def test_a_long_address_is_looked_at_in_one_pass() -> None:
    started = time.process_time()
    assert secrets_in_clear({"uri": "http://127.0.0.1" + ":81.1" * 100_000}) == ()
    assert time.process_time() - started < 2

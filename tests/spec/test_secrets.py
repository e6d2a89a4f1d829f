"""Secrets of a catalog in lake.yaml: their names travel, their values do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import load_project

LAKE = """\
environments:
  prod:
    env: [PG_PASSWORD, PG_HOST]
    namespace_prefix: dev_
    catalog:
      type: jdbc
      warehouse: s3://acme-lake/warehouse
      {}
"""


def load(folder: Path, *lines: str) -> object:
    (folder / "lake.yaml").write_text(LAKE.format("\n      ".join(lines)))
    return load_project(folder).environment("prod").catalog


@pytest.mark.parametrize("is_set", [True, False], ids=["set here", "set only where the job runs"])
def test_secret_is_named_and_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_set: bool) -> None:
    monkeypatch.setenv("PG_HOST", "db")
    monkeypatch.setenv("PG_PASSWORD", "s3cret") if is_set else monkeypatch.delenv("PG_PASSWORD", raising=False)
    catalog = load(
        tmp_path, "uri: jdbc:postgresql://${env.PG_HOST}/lake", "jdbc.user: me", "jdbc.password: ${env.PG_PASSWORD}"
    )
    assert catalog.properties == {"uri": "jdbc:postgresql://db/lake", "jdbc.user": "me"}  # type: ignore[attr-defined]
    assert catalog.secrets == {"jdbc.password": "PG_PASSWORD"}  # type: ignore[attr-defined]
    assert "s3cret" not in repr(catalog)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["uri: jdbc:postgresql://db/lake", "jdbc.password: s3cret"], "9:7: error[secret]: `jdbc.password` holds"),
        (["uri: jdbc:postgresql://me:s3cret@db/lake"], "8:7: error[secret]: `uri` holds a secret in clear"),
        (["uri: jdbc:postgresql://db/lake?password=s3cret"], "8:7: error[secret]: `uri` holds a secret in clear"),
        (["uri: x", "token: ${env.UNDECLARED}"], "the environment variable `UNDECLARED` is not declared"),
        (["uri: x", "token: s3${env.PG_HOST}"], "9:7: error[secret]: `token` holds a secret in clear"),
    ],
)
def test_secret_in_clear_is_refused_without_being_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], said: str
) -> None:
    monkeypatch.setenv("PG_HOST", "cret")
    with pytest.raises(SpecError) as caught:
        load(tmp_path, *lines)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)

"""The job's entry point: what it says of a request that it cannot read."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_lake_provider.jobs import __main__ as entry
from airflow_lake_provider.protocol import LocalStore


class Refusing(LocalStore):
    """A store whose client raises errors of its own."""

    def read(self, uri: str) -> bytes | None:
        raise RuntimeError("AccessDenied")


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")


def test_missing_request_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["--request-uri", f"{tmp_path}/request.json"]) == 2
    assert capsys.readouterr().err == f"lake: There is no request at {tmp_path}/request.json\n"


def test_request_that_is_no_json_is_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "request.json").write_text("{")
    assert entry.main(["--request-uri", f"{tmp_path}/request.json"]) == 2
    assert f"{tmp_path}/request.json is not JSON" in capsys.readouterr().err


def test_request_out_of_reach_is_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(entry, "open_store", lambda uri: Refusing())
    assert entry.main(["--request-uri", "s3://lake/request.json"]) == 2
    assert capsys.readouterr().err == "lake: The request s3://lake/request.json cannot be read: AccessDenied\n"

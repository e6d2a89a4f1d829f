from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.cli import main


@dataclass(frozen=True)
class Result:
    exit_code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """The one JSON document on stdout."""
        return json.loads(self.out)


@pytest.fixture
def lake(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run the command line in this process."""
    for name in ("LAKE_ENV", "LAKE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return Result(caught.value.code, out, err)

    return run


@pytest.fixture
def project(lake: Callable[..., Result], tmp_path: Path) -> Path:
    """The project of ``lake init``."""
    assert lake("init", tmp_path / "shop").exit_code == 0
    return tmp_path / "shop"

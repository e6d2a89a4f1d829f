from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from airflow_lake_provider.jobs.contract import apply_contract
from airflow_lake_provider.jobs.sources.files import list_files
from airflow_lake_provider.jobs.sources.read import read_files
from airflow_lake_provider.protocol import Column, IngestStep

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


class Read(NamedTuple):
    """What came of some files: rows in order of their file, good and rejected apart."""

    good: list[dict[str, Any]]
    rejected: list[tuple[list[str], str]]
    left_out: tuple[str, ...]
    missing: tuple[str, ...]
    df: Any


@pytest.fixture
def read(spark: Any, tmp_path: Path) -> Callable[..., Read]:
    """Return what writes files, reads them as one ingest does, and holds them against a contract."""

    def _read(
        files: Mapping[str, Any],
        format: str,
        *,
        columns: Mapping[str, str] | None = None,
        options: Mapping[str, str] | None = None,
        metadata: Sequence[str] = (),
        unique_key: Sequence[str] = (),
        collect: bool = True,
    ) -> Read:
        landing = tmp_path / "landing"
        for name, content in files.items():
            path = landing / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
        step = IngestStep(files=(f"{landing}/**/*",), format=format, options=options or {}, metadata_columns=metadata)
        contract = None
        if columns is not None:
            contract = [
                Column(name, kind.replace(" not null", ""), nullable=" not null" not in kind)
                for name, kind in columns.items()
            ]
        listed = list_files(spark, step.files)
        batch = read_files(spark, step, listed, columns=contract, run_id="run 1", ingested_at=NOW)
        judged = apply_contract(
            batch.df,
            columns=contract,
            unique_key=unique_key,
            formats=batch.formats,
            absent=batch.absent,
            left_out=batch.left_out,
            origin="file",
            table="bronze.t",
        )
        if not collect:
            return Read([], [], judged.left_out, judged.missing, judged.df)
        rows = [row.asDict(recursive=True) for row in judged.df.collect()]
        internal = ("_lake_reasons", "_lake_raw", "_lake_file")
        good = [{k: v for k, v in row.items() if k not in internal} for row in rows if not row["_lake_reasons"]]
        rejected = [(row["_lake_reasons"], row["_lake_raw"]) for row in rows if row["_lake_reasons"]]
        assert all(row["_lake_raw"] is None for row in rows if not row["_lake_reasons"])
        assert judged.df.count() == len(rows)
        return Read(good, rejected, judged.left_out, judged.missing, judged.df)

    return _read

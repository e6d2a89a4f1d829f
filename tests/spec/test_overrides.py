from __future__ import annotations

from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import Diagnostic, load_spec

SPEC = """\
pipeline: flights
tables:
  bronze.flights:
    ingest: {files: [a.csv, b.csv]}
    properties: {write.parquet.compression-codec: zstd}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "flights.yaml"
    path.write_text(SPEC)
    return path


def test_overrides_are_put_in_before_anything_is_checked(spec: Path) -> None:
    loaded = load_spec(
        spec,
        overrides=[
            "max_active_runs=3",
            "tables.bronze.flights.retries=2",
            "tables.bronze.flights.ingest.files.1=c.csv",
            "tables.bronze.flights.write={strategy: merge, sequence_by: ts}",
            "tables.bronze.flights.unique_key=[id]",
            "tables.bronze.flights.ingest.options.header=true",
            "tables.bronze.flights.properties.write.parquet.compression-codec=gzip",
            "description=",
        ],
    )
    table = loaded.tables["bronze.flights"]
    assert loaded.keys.max_active_runs == 3
    assert loaded.keys.description is None
    assert (table.retries, table.unique_key) == (2, ["id"])
    assert table.ingest is not None
    assert (table.ingest.files, table.ingest.options) == (["a.csv", "c.csv"], {"header": "true"})
    assert table.write is not None
    assert (table.write.strategy, table.write.sequence_by) == ("merge", "ts")
    assert table.properties == {"write.parquet.compression-codec": "gzip"}


@pytest.mark.parametrize(
    ("override", "code", "column"),
    [
        ("nothing", "override", 1),
        ("=1", "override", 1),
        ("max_active_runs=many", "wrong-type", 17),
        ("tables.bronze.flights.retrys=2", "unknown-key", 23),
        ("tables.bronze.flights.ingest.files.7=c.csv", "override", 36),
        ("pipeline.name=x", "override", 10),
        ("description=[1", "yaml-syntax", 15),
        ("description=${x}", "unknown-variable", 15),
    ],
)
def test_wrong_overrides_are_located_in_the_argument(spec: Path, override: str, code: str, column: int) -> None:
    with pytest.raises(SpecError) as caught:
        load_spec(spec, overrides=[override])
    (found,) = [each for each in caught.value.diagnostics if isinstance(each, Diagnostic)]
    assert (found.file, found.line, found.column, found.code) == ("--set", 1, column, code)
    assert override in str(caught.value)

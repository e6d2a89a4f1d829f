"""The demo as a reader runs it, in a copy; every table against what DuckDB makes of the raw files by itself."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest
from finished_demo import Demo
from raw_flights import EXPECTED, LEFT, assert_published, raw_files

ROOT = Path(__file__).resolve().parent.parent
DAYS = ("2013-01-01", "2013-01-02", "2013-01-03")
LAST_DAY = ("2013-01-03T00:00:00+00:00", "2013-01-04T00:00:00+00:00")


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    connection = raw_files(tmp_path_factory.mktemp("raw"), DAYS)
    yield connection
    connection.close()


@pytest.mark.spark
@pytest.mark.airflow
@pytest.mark.timeout(2700)
@pytest.mark.parametrize("table", EXPECTED)
def test_a_published_table_holds_what_the_raw_files_say(table: str, demo: Demo, raw: duckdb.DuckDBPyConnection) -> None:
    assert_published(table, demo.catalog.load_table(table).scan().to_arrow(), raw)


@pytest.mark.spark
@pytest.mark.airflow
@pytest.mark.timeout(2700)
def test_each_run_published_only_its_own_day(demo: Demo, raw: duckdb.DuckDBPyConnection) -> None:
    def cumulated(query: str) -> list[int]:
        return [row[0] for row in raw.execute(query).fetchall()]

    total = "SELECT sum(count(*)) OVER (ORDER BY time_hour[:10])::int FROM {} GROUP BY time_hour[:10] ORDER BY 1"
    assert demo.growth("bronze.flights") == cumulated(total.format("raw_flights"))
    assert demo.growth("silver.flights") == cumulated(total.format(LEFT))
    assert demo.growth("bronze.weather") == cumulated(total.format("raw_weather"))
    assert demo.growth("silver.weather") == cumulated(total.format("raw_weather"))
    assert demo.growth("gold.delays_by_day") == [3, 6, 9]
    assert len(demo.growth("bronze.airlines")) == 1

    rows = demo.catalog.load_table("bronze.flights").scan(selected_fields=("time_hour", "_source_file", "_run_id"))
    raw.register("taken_in", rows.to_arrow())
    pairs = raw.execute("SELECT DISTINCT time_hour[:10], _source_file, _run_id FROM taken_in ORDER BY 1").fetchall()
    raw.unregister("taken_in")
    assert [pair[0] for pair in pairs] == list(DAYS)
    assert [Path(pair[1]).name for pair in pairs] == [f"{day}.csv" for day in DAYS]
    assert len({pair[2] for pair in pairs}) == len(DAYS)


@pytest.mark.spark
@pytest.mark.airflow
@pytest.mark.timeout(2700)
def test_the_quarantine_holds_the_flights_that_never_left(demo: Demo, raw: duckdb.DuckDBPyConnection) -> None:
    never_left = raw.execute(
        "SELECT carrier, flight, origin, time_hour FROM raw_flights WHERE dep_time IS NULL"
    ).fetchall()
    rows = demo.catalog.load_table("silver.flights__quarantine").scan().to_arrow().to_pylist()
    assert len(rows) == len(never_left) > 0
    aside = [json.loads(row["_raw"]) for row in rows]
    assert sorted((row["carrier"], str(row["flight"]), row["origin"]) for row in aside) == sorted(
        row[:3] for row in never_left
    )
    assert all(any("dep_time" in reason for reason in row["_reasons"]) for row in rows)


@pytest.mark.spark
@pytest.mark.airflow
@pytest.mark.timeout(2700)
def test_the_output_tells_tables_rows_checks_and_what_was_set_aside(demo: Demo, raw: duckdb.DuckDBPyConnection) -> None:
    count = raw.execute("SELECT count(*) FROM raw_flights").fetchone()
    assert count is not None
    for day in DAYS:
        assert f"{day}  silver.flights" in demo.output
    assert "checks 4/5, max(dep_delay) < 600 (was 853.0)" in demo.output, "a flight left 14 hours late on the first day"
    assert "set aside" in demo.output
    assert f"{count[0]:,}" in demo.output
    for table in EXPECTED:
        assert table in demo.output


@pytest.mark.spark
@pytest.mark.airflow
@pytest.mark.timeout(2700)
def test_running_a_day_again_publishes_nothing(demo: Demo) -> None:
    before = demo.snapshots()
    start, end = LAST_DAY
    answer = demo.lake(
        "run", "dag_specs/flights.yaml", "--data-interval-start", start, "--data-interval-end", end, "--json"
    )
    assert {table["table"]: table["status"] for table in json.loads(answer)["tables"]} == dict.fromkeys(
        EXPECTED, "no_op"
    )
    assert demo.snapshots() == before


def test_landing_the_same_days_again_leaves_the_files_alone(tmp_path: Path) -> None:
    def land() -> dict[str, tuple[int, str]]:
        subprocess.run(
            [sys.executable, str(ROOT / "demo" / "landing.py"), str(tmp_path), "--days", "2"],
            check=True,
            capture_output=True,
        )
        files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
        return {
            path.relative_to(tmp_path).as_posix(): (
                path.stat().st_mtime_ns,
                hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            for path in files
        }

    first = land()
    assert list(first) == [
        "airlines.parquet",
        "flights/2013-01-01.csv",
        "flights/2013-01-02.csv",
        "weather/2013-01-01.json",
        "weather/2013-01-02.json",
    ]
    assert land() == first
    (tmp_path / "flights" / "2013-01-02.csv").write_text("spoilt")
    again = land()
    assert {name: digest for name, (_, digest) in again.items()} == {
        name: digest for name, (_, digest) in first.items()
    }

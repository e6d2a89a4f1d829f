"""Four processes at once on one embedded catalog: four tables of their own, and one that all write."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SPEC = """\
pipeline: {name}
schedule: "@daily"
start_date: 2026-01-01
tables:
  silver.{name}:
    sql: SELECT id, '{name}' AS who, DATE '{{{{ data_interval_start | ds }}}}' AS day FROM range({start}, {start} + 5)
    unique_key: [id, day]
    checks: [row_count > 0]
"""


def run_at_once(commands: list[list[str]], root: Path, spark_python: str) -> list[dict[str, Any]]:
    environment = {**os.environ, "LAKE_SPARK_PYTHON": spark_python}
    lake = [str(Path(sys.executable).with_name("lake")), "run", "--json"]
    processes = [
        subprocess.Popen(
            [*lake, *command], cwd=root, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for command in commands
    ]
    ended = [(*process.communicate(timeout=600), process.returncode) for process in processes]
    assert [code for _, _, code in ended] == [0] * len(commands), [log[-2000:] for _, log, _ in ended]
    return [json.loads(out) for out, _, _ in ended]


@pytest.mark.spark
def test_four_processes_on_four_tables_and_on_one_all_publish_and_pyiceberg_reads_every_table(
    tmp_path: Path, spark_python: str
) -> None:
    from pyiceberg.catalog import load_catalog

    (tmp_path / "lake.yaml").write_text("environments: {local: {}}\n")
    for number in range(1, 5):
        (tmp_path / f"p{number}.yaml").write_text(SPEC.format(name=f"p{number}", start=number * 10))
    days = [f"2026-01-0{number}" for number in range(1, 6)]
    intervals = [["--data-interval-start", days[n], "--data-interval-end", days[n + 1]] for n in range(4)]

    own = run_at_once([[f"p{number}.yaml", *intervals[0]] for number in range(1, 5)], tmp_path, spark_python)
    assert [run["tables"][0]["status"] for run in own] == ["published"] * 4
    shared = run_at_once([["p1.yaml", *interval] for interval in intervals], tmp_path, spark_python)
    assert [run["tables"][0]["status"] for run in shared] == ["no_op", "published", "published", "published"]

    told = subprocess.run(
        [str(Path(sys.executable).with_name("lake")), "catalog", "--json"],
        cwd=tmp_path,
        capture_output=True,
        check=True,
    )
    catalog = json.loads(told.stdout)
    lake = load_catalog(catalog["name"], **catalog["properties"])
    assert sorted(lake.list_tables("silver")) == [("silver", f"p{number}") for number in range(1, 5)]
    for number in range(1, 5):
        table = lake.load_table(f"silver.p{number}")
        rows = table.scan().to_arrow()
        days_there = 4 if number == 1 else 1
        assert sorted(set(rows["id"].to_pylist())) == list(range(number * 10, number * 10 + 5))
        assert rows.num_rows == 5 * days_there
        assert sorted(table.refs()) == ["lake_published", "main"]

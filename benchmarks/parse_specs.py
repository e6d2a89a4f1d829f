"""How long Airflow's DAG processor spends on specs: reading, checking and planning them, without Spark or Airflow.

    python benchmarks/parse_specs.py [--specs 100] [--rounds 5] [--tables 3]

Each round writes ``--specs`` pipelines to a folder of its own (an ingest with a contract, a merge by a key,
aggregates), so that nothing is in any cache: Airflow parses a file in a new process, and every query is new to it.
What is printed is processor time, so that other programs of the machine count for little:

- ``import``: of the package's loader without Airflow, in a new process; the median of the rounds;
- ``plan``: of one spec, by ``plan_project`` over the folder; the median of the rounds, and the slowest;
- ``again``: the same folder once more in the same process, as a second loader's file in one parse would.

To compare two versions of the package, run the file with each one's root on ``PYTHONPATH``.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

_SPEC = """\
pipeline: shop_{n}
description: The orders of shop {n}
schedule: "0 6 * * *"
start_date: 2026-01-01
tags: [shop]
tables:
  bronze.orders_{n}:
    ingest: {{files: "landing/{n}/*.csv", options: {{header: true}}}}
    columns: {{id: bigint not null, amount: "decimal(10,2)", at: timestamp}}
    retries: 2
  silver.orders_{n}:
    sql: |
      SELECT o.id, o.amount, o.at, count(*) OVER (PARTITION BY o.id) AS n
      FROM bronze.orders_{n} o
      WHERE o.amount > {n}
    unique_key: id
    checks: [row_count > 0]
"""
_AGGREGATE = """\
  gold.daily_{n}_{table}:
    sql: |
      WITH d AS (SELECT date(at) AS day, sum(amount) AS amount FROM silver.orders_{n} GROUP BY date(at))
      SELECT day, amount, rank() OVER (ORDER BY amount DESC) AS place FROM d
    partition_by: month(day)
"""
_IMPORT = """\
import time
start = time.process_time()
import airflow_lake_provider.plan
print(time.process_time() - start)
"""


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description="Measure how long specs take to parse.")
    arguments.add_argument("--specs", type=int, default=100, help="pipelines per round")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--tables", type=int, default=3, help="tables per pipeline, at least 2")
    given = arguments.parse_args()

    from airflow_lake_provider.plan import plan_project

    imports = [_import_seconds() for _ in range(given.rounds)]
    first: list[float] = []
    again: list[float] = []
    # What is loaded at the first use (SQL's dialect, time zones) is paid in the round that counts for nothing.
    for number in range(given.rounds + 1):
        with tempfile.TemporaryDirectory(prefix="parse-specs-") as name:
            folder = Path(name)
            write_specs(folder, given.specs, tables=given.tables, begin=number * given.specs)

            def plan(folder: Path = folder) -> None:
                plans, diagnostics = plan_project(folder)
                if len(plans) != given.specs:
                    raise SystemExit(f"the specs of this benchmark are wrong: {diagnostics[:1]}")

            first.append(_seconds(plan) / given.specs)
            again.append(_seconds(plan) / given.specs)
    print(f"{given.specs} specs of {given.tables} tables, {given.rounds} rounds, milliseconds of processor time")
    print(f"import  {1000 * statistics.median(imports):8.1f}")
    print(f"plan    {1000 * statistics.median(first[1:]):8.2f} per spec (slowest round {1000 * max(first[1:]):.2f})")
    print(f"again   {1000 * statistics.median(again[1:]):8.2f} per spec (slowest round {1000 * max(again[1:]):.2f})")


def write_specs(folder: Path, count: int, *, tables: int = 3, begin: int = 0) -> None:
    """Write ``count`` pipelines, no two of which hold the same query."""
    for n in range(begin, begin + count):
        further = "".join(_AGGREGATE.format(n=n, table=table) for table in range(tables - 2))
        (folder / f"shop_{n}.yaml").write_text(_SPEC.format(n=n) + further)


def _seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def _import_seconds() -> float:
    return float(subprocess.check_output([sys.executable, "-P", "-c", _IMPORT], text=True))


if __name__ == "__main__":
    main()

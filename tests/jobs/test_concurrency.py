"""Several jobs at once, in processes of their own, on one embedded catalog."""

from __future__ import annotations

from pathlib import Path

from lake_under_test import Lake, day, ingest, transform

from airflow_lake_provider.protocol import Column, JobReport, JobRequest


def run_at_once(lake: Lake, requests: list[JobRequest]) -> list[JobReport]:
    processes = [lake.start(request) for request in requests]
    logs = [process.communicate(timeout=400)[1] for process in processes]
    reports = [lake.report(request) for request in requests]
    for process, log, report in zip(processes, logs, reports, strict=False):
        assert report is not None, log[-4000:]
        assert report.status == "succeeded", log[-4000:]
        assert process.returncode == 0
    return [report for report in reports if report is not None]


def test_two_copies_of_a_run_at_once_give_the_tables_of_one(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,v\n" + "".join(f"{n},v{n}\n" for n in range(500)) + "x,bad\n")
    tables = (
        ingest("bronze.t", f"{tmp_path}/in.csv", columns=(Column("id", "int", nullable=False), Column("v", "string"))),
        transform(
            "silver.t",
            "SELECT id, v FROM bronze.t",
            "merge",
            inputs=("bronze.t",),
            upstream=("bronze.t",),
            unique_key=("id",),
            checks=("row_count = 500",),
        ),
    )
    reports = run_at_once(lake, [lake.request(*tables, interval=day(1)) for _ in range(2)])
    by_table = [sorted(report.tables[n].status for report in reports) for n in range(2)]
    assert by_table == [["no_op", "published"], ["no_op", "published"]]
    assert lake.rows("SELECT count(*), count(DISTINCT id) FROM bronze.t") == [(500, 500)]
    assert lake.rows("SELECT count(*), count(DISTINCT id) FROM silver.t") == [(500, 500)]
    assert lake.rows("SELECT _raw FROM bronze.t__quarantine") == [('{"id":"x","v":"bad"}',)]
    for name in ("bronze.t", "silver.t"):
        assert lake.iceberg(name).refs() == ["lake_published", "main"]

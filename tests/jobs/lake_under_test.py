"""A lake of a test's own: an embedded catalog in a temporary folder, and requests run against it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

from airflow_lake_provider.jobs.application import Application
from airflow_lake_provider.jobs.iceberg import IcebergTable
from airflow_lake_provider.jobs.session import prepare_embedded_catalog, session_conf
from airflow_lake_provider.protocol import (
    Catalog,
    Check,
    CheckStep,
    DataInterval,
    IngestStep,
    JobReport,
    JobRequest,
    LocalStore,
    PublishStep,
    Quarantine,
    Submissions,
    TableReport,
    TableRequest,
    TaskIdentity,
    TransformStep,
    WriteStep,
    from_json,
    to_json,
)

ROOT = Path(__file__).resolve().parents[2]
_COUNT = [0]


def day(number: int) -> DataInterval:
    """Return one day of January 2026 as a data interval."""
    return DataInterval(start=f"2026-01-{number:02}T00:00:00Z", end=f"2026-01-{number + 1:02}T00:00:00Z")


def transform(
    table: str, sql: str, strategy: str = "replace", *, inputs: tuple[str, ...] = (), **more: Any
) -> TableRequest:
    """Return a request for one query's table; ``checks`` are SodaCL texts, options of the write go by their names."""
    return request_of(
        table, TransformStep(sql=sql, inputs=inputs, deterministic=more.pop("deterministic", True)), strategy, **more
    )


def ingest(table: str, files: str, format: str = "csv", strategy: str = "append", **more: Any) -> TableRequest:
    """Return a request for one ingest's table; CSV has a header, options go by their names."""
    options = more.pop("options", {"header": "true"} if format == "csv" else {})
    own = {field.name: more.pop(field.name) for field in fields(IngestStep) if field.name in more}
    return request_of(table, IngestStep(files=(files,), format=format, options=options, **own), strategy, **more)


def request_of(table: str, source: Any, strategy: str, **more: Any) -> TableRequest:
    """Return a request that publishes what a source gives."""
    options = {field.name: more.pop(field.name) for field in fields(WriteStep) if field.name in more}
    write = WriteStep(strategy=strategy, **options)
    checks = tuple(check if isinstance(check, Check) else Check(text=check) for check in more.pop("checks", ()))
    steps: list[Any] = [source, write, *([CheckStep(checks=checks)] if checks else []), PublishStep()]
    more.setdefault("quarantine", Quarantine(max_fraction=0.9))
    more.setdefault("spec_sha256", repr((source, write, checks, more.get("columns"))))
    return TableRequest(table=table, steps=tuple(steps), **more)


class Lake:
    """An embedded catalog of its own, in a session of its own."""

    def __init__(self, spark: Any, folder: Path) -> None:
        _COUNT[0] += 1
        self.folder = folder
        self.catalog = Catalog(
            name=f"lake{_COUNT[0]}",
            type="sqlite",
            warehouse=f"file://{folder}/warehouse",
            properties={"path": str(folder / "catalog.db")},
        )
        prepare_embedded_catalog(folder / "catalog.db")
        self.spark = spark.newSession()
        for key, value in session_conf(self.catalog).items():
            if key.startswith(f"spark.sql.catalog.{self.catalog.name}"):
                self.spark.conf.set(key, value)
        self.spark.sql(f"USE {self.catalog.name}")

    def request(self, *tables: TableRequest, **more: Any) -> JobRequest:
        """Return a request of a new run, unless ``run_id`` says which."""
        _COUNT[0] += 1
        identity = TaskIdentity(
            dag_id="p",
            run_id=more.pop("run_id", f"run-{_COUNT[0]}"),
            task_id="t",
            generation=more.pop("generation", 1),
            submission=more.pop("submission", 1),
        )
        return JobRequest(
            request_id=identity.request_id,
            task=identity,
            pipeline="p",
            tables=tables,
            catalog=self.catalog,
            report_uri=str(self.folder / "jobs" / identity.request_id / "report.json"),
            spark_conf={"spark.master": "local[2]", "spark.sql.shuffle.partitions": "2"},
            **more,
        )

    def run(self, *tables: TableRequest, **more: Any) -> JobReport:
        """Run a request in the shared session and return its report."""
        request = self.request(*tables, **more)
        Application(request, LocalStore()).run_in(self.spark)
        report = self.report(request)
        assert report is not None
        return report

    def table(self, *tables: TableRequest, **more: Any) -> TableReport:
        """Run a request and return its last table's report."""
        return self.run(*tables, **more).tables[-1]

    def report(self, request: JobRequest) -> JobReport | None:
        """Return what a request has reported so far."""
        data = LocalStore().read(request.report_uri)
        return None if data is None else from_json(JobReport, data, source=request.report_uri)

    def start(self, request: JobRequest, **environment: str) -> subprocess.Popen[str]:
        """Start a request in a process of its own, as the local engine would."""
        uri = self.folder / "jobs" / request.request_id / "request.json"
        LocalStore().write(str(uri), to_json(request).encode())
        return subprocess.Popen(
            [sys.executable, "-m", "airflow_lake_provider.jobs", "--request-uri", str(uri)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1", **environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            cwd=str(self.folder),
        )

    def kill(self, request: JobRequest, fault: str) -> str:
        """Run a request that kills itself at a step; returns what it logged."""
        process = self.start(request, LAKE_FAULT=fault)
        _, log = process.communicate(timeout=240)
        assert process.returncode == -signal.SIGKILL, log[-4000:]
        return log

    def after(self, dead: JobRequest) -> dict[str, Any]:
        """Return how the next start of a dead request differs from it."""
        return {
            "run_id": dead.task.run_id,
            "submission": dead.task.submission + 1,
            "try_number": dead.try_number + 1,
            "interval": dead.interval,
            "submissions": Submissions(undelivered=(dead.request_id,), dead=(dead.request_id,)),
        }

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Return a query's rows from newest metadata, sorted."""
        for namespace in self.spark.sql(f"SHOW NAMESPACES IN {self.catalog.name}").collect():
            for row in self.spark.sql(f"SHOW TABLES IN {self.catalog.name}.{namespace[0]}").collect():
                self.spark.sql(f"REFRESH TABLE {self.catalog.name}.{namespace[0]}.{row['tableName']}")
        return sorted((tuple(row) for row in self.spark.sql(query).collect()), key=repr)

    def iceberg(self, table: str) -> IcebergTable:
        """Return a table's metadata as it is now."""
        found = IcebergTable.find(self.spark, self.catalog, table)
        assert found is not None, f"{table} does not exist"
        return found

"""Kill a run at each of its steps, run it again, and find what an undisturbed run leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from lake_under_test import Lake, day, ingest, transform

from airflow_lake_provider.jobs import faults
from airflow_lake_provider.protocol import Column, JobRequest, TableRequest

# Between them two moments lie between the branch's write and the publish, and three between publish and report.
SIGKILLED = (
    "session",
    "recovered@silver.flights",
    "judged@silver.flights",
    "branch-created@silver.flights",
    "quarantine-staged@silver.flights",
    "ledger-written@bronze.flights",
    "branch-written@bronze.flights",
    "branch-written@silver.flights",
    "audited@silver.flights",
    "published@bronze.flights",
    "published@silver.flights",
    "quarantine-picked@silver.flights",
    "reported@silver.flights",
    "finished",
)


@pytest.fixture
def tables(tmp_path: Path) -> tuple[TableRequest, ...]:
    landing = tmp_path / "landing"
    landing.mkdir()
    (landing / "1.csv").write_text("id,v,dep\n1,a,10\n2,b,\n3,c,30\n")
    (landing / "2.csv").write_text("id,v,dep\n4,d,40\n5,e,x\n1,a2,11\n")
    columns = (Column("id", "int", nullable=False), Column("v", "string"), Column("dep", "int"))
    strict = (columns[0], columns[1], Column("dep", "int", nullable=False))
    return (
        ingest("bronze.flights", f"{landing}/*.csv", columns=columns),
        transform(
            "silver.flights",
            "SELECT * FROM bronze.flights",
            "merge",
            inputs=("bronze.flights",),
            upstream=("bronze.flights",),
            columns=strict,
            unique_key=("id",),
            sequence_by="dep",
            checks=("row_count > 0",),
        ),
    )


def content(lake: Lake) -> dict[str, list[tuple[Any, ...]]]:
    return {
        "bronze": lake.rows("SELECT id, v, dep, regexp_extract(_source_file, '[^/]+$', 0) FROM bronze.flights"),
        "bronze rejected": lake.rows("SELECT _raw, _reasons FROM bronze.flights__quarantine"),
        "silver": lake.rows("SELECT id, v, dep FROM silver.flights"),
        "silver rejected": lake.rows("SELECT _reasons FROM silver.flights__quarantine"),
    }


def expected() -> dict[str, list[tuple[Any, ...]]]:
    return {
        "bronze": sorted(
            [
                (1, "a", 10, "1.csv"),
                (2, "b", None, "1.csv"),
                (3, "c", 30, "1.csv"),
                (4, "d", 40, "2.csv"),
                (1, "a2", 11, "2.csv"),
            ],
            key=repr,
        ),
        "bronze rejected": [('{"id":"5","v":"e","dep":"x"}', ["dep: 'x' is not an int"])],
        "silver": [(1, "a2", 11), (3, "c", 30), (4, "d", 40)],
        "silver rejected": [(["dep is NULL"],)],
    }


def no_trace(lake: Lake) -> None:
    for name in ("bronze.flights", "silver.flights"):
        assert lake.iceberg(name).refs() == ["lake_published", "main"]
        assert lake.iceberg(f"{name}__quarantine").refs() == ["main"]


def test_undisturbed_run_publishes_the_expected_content(lake: Lake, tables: tuple[TableRequest, ...]) -> None:
    report = lake.run(*tables, interval=day(1))
    assert [t.status for t in report.tables] == ["published", "published"]
    assert content(lake) == expected()
    no_trace(lake)


@pytest.mark.parametrize("fault", SIGKILLED)
def test_run_killed_at_a_step_and_run_again_leaves_what_one_run_leaves(
    lake: Lake, tables: tuple[TableRequest, ...], fault: str
) -> None:
    dead = lake.request(*tables, interval=day(1))
    log = lake.kill(dead, fault)
    step, _, table = fault.partition("@")
    assert log.strip().splitlines()[-1] == f"lake: step {step}{' ' + table if table else ''}"
    report = lake.run(*tables, **lake.after(dead))
    assert report.status == "succeeded"
    assert [t.status for t in report.tables] == ["published", "published"]
    assert content(lake) == expected()
    no_trace(lake)
    _runs_again_without_effect(lake, tables)


def _runs_again_without_effect(lake: Lake, tables: tuple[TableRequest, ...]) -> None:
    before = {name: lake.iceberg(name).head() for name in ("bronze.flights", "silver.flights")}
    again = lake.run(*tables, interval=day(1))
    assert [(t.status, t.snapshot_id) for t in again.tables] == [("no_op", head) for head in before.values()]
    assert content(lake) == expected()


class Death(BaseException):
    """Stands in for SIGKILL inside this process: nothing of ours catches it."""


@pytest.mark.parametrize("step", faults.STEPS[2:-1])
@pytest.mark.parametrize("table", ["bronze.flights", "silver.flights"])
def test_every_step_of_every_table_may_be_the_last(
    lake: Lake, tables: tuple[TableRequest, ...], step: str, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAKE_FAULT", f"{step}@{table}")

    def die(pid: int, signal: int) -> None:
        raise Death

    monkeypatch.setattr(faults, "_seen", {})
    monkeypatch.setattr(faults.os, "kill", die)
    dead: JobRequest = lake.request(*tables, interval=day(1))
    with pytest.raises(Death):
        lake.run(*tables, run_id=dead.task.run_id, interval=day(1))
    monkeypatch.delenv("LAKE_FAULT")
    report = lake.run(*tables, **lake.after(dead))
    assert [t.status for t in report.tables] == ["published", "published"]
    assert content(lake) == expected()
    no_trace(lake)
    _runs_again_without_effect(lake, tables)

"""The package as a wheel on every Airflow version: found, parsed, serialized, run to a published table.

Each version's own Python says what it sees (``look.py``), after its own DAG processor has parsed the folder once.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow_environments import OWN_VERSION, ROOT, VERSIONS, AirflowEnvironment, airflow_environment, migrated_database

from airflow_lake_provider import __version__

pytestmark = pytest.mark.versions

LOOK = Path(__file__).with_name("look.py")
PROJECT = Path(__file__).with_name("project")
CALL = "from airflow_lake_provider import {0}\n\n{0}(globals())\n"
PYTHON_FILES = {
    "lake_dags.py": CALL.format("load_lake_dags"),
    "lake_spec_errors.py": CALL.format("raise_lake_dag_errors"),
    "mapped.py": """\
try:
    from airflow.sdk import DAG
except ImportError:
    from airflow import DAG

from airflow_lake_provider import LakeIngestOperator

with DAG("mapped", schedule=None, catchup=False):
    LakeIngestOperator.partial(task_id="load").expand_kwargs(
        [{"table": f"bronze.{at}", "files": f"landing/{{{{ run_id and '{at}' }}}}.csv"} for at in ("north", "south")]
    )
""",
}


@dataclass(frozen=True)
class Findings:
    """What became of one project on one Airflow version."""

    environment: AirflowEnvironment
    home: Path
    parsed: Mapping[str, Any]
    """What Airflow's database says after the DAG processor: ``dags`` that are active, ``errors`` by file, ``code``."""
    hashes: Mapping[str, str]
    """The hashes of the serialized DAGs in a process with another hash seed."""
    seen: Mapping[str, Any]
    """The document of ``look.py``."""

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command as this version's user does, in the project."""
        return _run(self.environment, self.home, command, cwd=self.home / "dags")


@pytest.fixture(scope="session")
def looks(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, spark_python: str
) -> Iterator[dict[str, Future[Findings]]]:
    """Look at the versions that were chosen, two at a time: one alone leaves a core half idle."""
    calls = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    chosen = dict.fromkeys(call["findings"] for call in calls if "findings" in call)
    with ThreadPoolExecutor(max_workers=2) as pool:
        homes = {version: tmp_path_factory.mktemp(f"airflow-{version}") for version in chosen}
        yield {version: pool.submit(_find, version, home) for version, home in homes.items()}


@pytest.fixture(params=VERSIONS, ids=lambda version: f"airflow-{version}")
def findings(request: pytest.FixtureRequest, looks: dict[str, Future[Findings]]) -> Findings:
    return looks[request.param].result()


def _find(version: str, home: Path) -> Findings:
    environment = airflow_environment(version)
    shutil.copytree(PROJECT, home / "dags")
    for name, text in PYTHON_FILES.items():
        (home / "dags" / name).write_text(text)
    shutil.copy(migrated_database(environment), home / "airflow.db")
    _checked(_run(environment, home, _parse_once(environment)))
    parsed = _parsed(environment, home)
    look = [environment.python, LOOK]
    # First, for Airflow 2 serializes with an alias the datasets that it has stood for.
    _checked(_run(environment, home, [*look, home / "first.json", "hashes"], PYTHONHASHSEED="2"))
    _checked(_run(environment, home, [*look, home / "seen.json", "all"], PYTHONHASHSEED="1"))
    first, seen = (json.loads((home / name).read_text()) for name in ("first.json", "seen.json"))
    return Findings(environment, home, parsed, first["hashes"], seen)


def _parse_once(environment: AirflowEnvironment) -> list[str | Path]:
    # Airflow 2 on SQLite has its DAG processor in the scheduler alone, where each run parses one file.
    what = ["scheduler", "--num-runs", "6"] if environment.is_airflow_2 else ["dag-processor", "--num-runs", "1"]
    return [environment.python, "-m", "airflow", *what]


def _run(
    environment: AirflowEnvironment, home: Path, command: Sequence[str | Path], cwd: Path | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "LAKE_HOME"))}
    own = {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home}/airflow.db",
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(home / "logs"),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        # Nothing but this process wants the port of the scheduler's log server.
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": "0",
    }
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd or home,
        env={**kept, **own, **environment.variables, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def _checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert done.returncode == 0, f"{done.args}\n{done.stdout[-8000:]}\n{done.stderr[-8000:]}"
    return done


def _parsed(environment: AirflowEnvironment, home: Path) -> dict[str, Any]:
    active = "is_active" if environment.is_airflow_2 else "NOT is_stale"
    with sqlite3.connect(home / "airflow.db") as database:
        dags = database.execute(f"SELECT dag_id FROM dag WHERE {active} AND NOT has_import_errors").fetchall()
        serialized = database.execute("SELECT dag_id FROM serialized_dag").fetchall()
        errors = database.execute("SELECT filename, stacktrace FROM import_error").fetchall()
        by = "fileloc" if environment.is_airflow_2 else "dag_id"
        code = database.execute(f"SELECT dag.dag_id, source_code FROM dag JOIN dag_code USING ({by})").fetchall()
    return {
        "dags": {dag for (dag,) in dags},
        "serialized": {dag for (dag,) in serialized},
        "errors": {Path(file).name: trace for file, trace in errors},
        "code": dict(code),
    }


def test_the_right_version_runs_with_the_package_as_it_is_installed(findings: Findings) -> None:
    assert findings.seen["airflow"] == findings.environment.version
    assert findings.seen["discovery"]["version"] == __version__
    installed = Path(findings.seen["discovery"]["installed_in"])
    own = findings.environment.version == OWN_VERSION
    assert (installed == ROOT) is own
    assert own or list(installed.glob("airflow_lake_provider-*.dist-info"))


def test_importing_every_module_warns_of_nothing(findings: Findings) -> None:
    assert findings.seen["warnings"] == []


def test_airflow_discovers_a_provider_that_fits_its_schema(findings: Findings) -> None:
    discovery = findings.seen["discovery"]
    assert discovery["schema_errors"] == []
    assert "airflow_lake_provider.operators.link.LakeRunLink" in discovery["extra_links"]


def test_the_dag_processor_keeps_the_good_dags_and_blames_the_reporter(findings: Findings) -> None:
    good = {"orders", "stock", "mapped"}
    assert (findings.parsed["dags"], findings.parsed["serialized"]) == (good, good)
    assert list(findings.parsed["errors"]) == ["lake_spec_errors.py"]
    message = findings.parsed["errors"]["lake_spec_errors.py"]
    assert "wrong.yaml:4:5: error[unknown-key]: unknown key `ingset`" in message
    assert "did you mean `ingest`?" in message


def test_the_code_tab_shows_the_spec_where_airflow_lets_it(findings: Findings) -> None:
    loader, spec = PYTHON_FILES["lake_dags.py"], (PROJECT / "orders.yaml").read_text()
    assert findings.parsed["code"]["orders"] == (loader if findings.environment.is_airflow_2 else spec)
    assert findings.parsed["code"]["mapped"] == PYTHON_FILES["mapped.py"]


def test_two_processes_serialize_to_the_same(findings: Findings) -> None:
    assert findings.hashes == findings.seen["hashes"]
    assert set(findings.hashes) == {"orders", "stock", "mapped"}


def test_the_button_survives_the_serialization(findings: Findings) -> None:
    links = findings.seen["links"]
    assert links["orders"] == {"bronze__orders": ["Lake run"]}
    assert links["mapped"] == {"load": ["Lake run"]}


def test_scheduled_runs_have_real_intervals(findings: Findings) -> None:
    assert findings.seen["intervals"]["orders"] == [
        ["2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"],
        ["2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"],
    ]
    assert findings.seen["intervals"]["stock"] == [
        ["2026-01-01T00:00:00+00:00", "2026-01-01T06:00:00+00:00"],
        ["2026-01-01T06:00:00+00:00", "2026-01-01T12:00:00+00:00"],
    ]


def test_a_run_with_a_date_is_for_the_interval_that_ended_before_it(findings: Findings) -> None:
    run = findings.seen["dated"]["orders"]
    assert run["state"] == "success"
    (job,) = run["jobs"]
    assert job["interval"] == ["2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"]
    assert job["files"] == [str(findings.home / "dags" / "landing" / "2026-01-02.csv")]
    assert (job["generation"], job["map_index"]) == (1, -1)


def test_a_run_by_hand_takes_the_last_complete_interval(findings: Findings) -> None:
    runs = findings.seen["by_hand"]
    assert {name: run["state"] for name, run in runs.items()} == dict.fromkeys(("orders", "stock", "mapped"), "success")
    days, hours = (runs[name]["jobs"][0]["interval"] for name in ("orders", "stock"))
    if not findings.environment.is_airflow_2:
        assert days == ["2026-01-02T00:00:00+00:00", "2026-01-03T00:00:00+00:00"]
        assert hours == ["2026-01-03T06:00:00+00:00", "2026-01-03T12:00:00+00:00"]
        return
    # There every run has a date, here that of its start: a duration counts back from it, to the microsecond.
    started = datetime.fromisoformat(runs["orders"]["at"])
    midnight = started.replace(hour=0, minute=0, second=0, microsecond=0)
    assert days == [(midnight - timedelta(days=1)).isoformat(), midnight.isoformat()]
    start, end = (datetime.fromisoformat(moment) for moment in hours)
    assert end - start == timedelta(hours=6)
    assert timedelta(0) <= datetime.fromisoformat(runs["stock"]["at"]) - end < timedelta(minutes=5)


def test_a_mapped_task_renders_and_announces_each_of_its_tables(findings: Findings) -> None:
    jobs = sorted(findings.seen["by_hand"]["mapped"]["jobs"], key=lambda job: job["map_index"])
    assert [(job["map_index"], job["table"]) for job in jobs] == [(0, "bronze.north"), (1, "bronze.south")]
    folders = [Path(job["files"][0]).name for job in jobs]
    assert folders == ["north.csv", "south.csv"]
    announced = [(event["alias"], event["uri"]) for event in findings.seen["events"] if event["task"] == "load"]
    assert sorted(announced) == [
        ("lake:bronze.north", "iceberg://lake/bronze/north"),
        ("lake:bronze.south", "iceberg://lake/bronze/south"),
    ]


def test_spark_publishes_a_table_and_airflow_has_its_event(findings: Findings) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    published = findings.seen["published"]
    assert published["state"] == "success"
    entry = published["entries"]["bronze__orders"]
    assert (entry["status"], entry["rows_applied"]) == ("published", 3)

    lake = findings.home / "dags" / ".lake"
    catalog = SqlCatalog("lake", uri=f"sqlite:///{lake}/catalog.db", warehouse=f"file://{lake}/warehouse")
    table = catalog.load_table("bronze.orders")
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.snapshot_id == entry["snapshot_id"]
    rows = table.scan().to_arrow().select(["order_id", "amount"]).to_pylist()
    assert sorted((row["order_id"], row["amount"]) for row in rows) == [(1, 10.5), (2, 20.0), (3, 0.25)]

    (event,) = published["events"]
    assert (event["alias"], event["uri"], event["task"]) == (
        "lake:bronze.orders",
        "iceberg://lake/bronze/orders",
        "bronze__orders",
    )
    assert event["extra"]["snapshot_id"] == entry["snapshot_id"]
    assert event["extra"]["rows_applied"] == 3
    assert Path(published["links"]["bronze__orders"]).joinpath("report.json").exists()


def test_the_command_line_works_beside_that_airflow(findings: Findings) -> None:
    validated = findings.run("lake", "validate", "orders.yaml", "stock.yaml", "--json")
    assert (validated.returncode, json.loads(validated.stdout)["valid"]) == (0, True)
    (orders,) = json.loads(_checked(findings.run("lake", "tables", "--json")).stdout)
    assert (orders["table"], orders["rows"]) == ("bronze.orders", 3)
    assert orders["snapshot_id"] == findings.seen["published"]["entries"]["bronze__orders"]["snapshot_id"]


def test_lake_runs_and_lists_beside_airflow_2_and_its_sqlalchemy(tmp_path: Path, spark_python: str) -> None:
    environment = airflow_environment("2.11.2")
    shutil.copytree(PROJECT, tmp_path / "dags")
    day = ["--data-interval-start", "2026-01-04", "--data-interval-end", "2026-01-05"]
    ran = _checked(_run(environment, tmp_path, ["lake", "run", "orders.yaml", *day, "--json"], cwd=tmp_path / "dags"))
    (entry,) = json.loads(ran.stdout)["tables"]
    assert (entry["status"], entry["rows_applied"]) == ("published", 3)
    listed = _checked(_run(environment, tmp_path, ["lake", "tables", "--json"], cwd=tmp_path / "dags"))
    assert [(table["table"], table["rows"]) for table in json.loads(listed.stdout)] == [("bronze.orders", 3)]
    assert listed.stderr == ""

    keys = f"{{type: jdbc, uri: 'jdbc:postgresql://127.0.0.1:1/lake', warehouse: {tmp_path}/warehouse}}"
    (tmp_path / "dags" / "lake.yaml").write_text(f"environments: {{local: {{catalog: {keys}}}}}")
    refused = _run(environment, tmp_path, ["lake", "tables", "--json"], cwd=tmp_path / "dags")
    assert refused.returncode == 1
    assert "PyIceberg reads a jdbc catalog by SQLAlchemy 2; here is 1.4.54" in refused.stderr

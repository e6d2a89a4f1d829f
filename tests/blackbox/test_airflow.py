"""What Airflow finds in a DAGs folder with the two loader files, before and after serialization."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import TimeRestriction

LOADER = "from airflow_lake_provider import load_lake_dags\nload_lake_dags(globals(){})\n"
REPORTER = "from airflow_lake_provider import raise_lake_dag_errors\nraise_lake_dag_errors(globals(){})\n"
SMALL = "pipeline: {0}\ntables:\n  bronze.{0}:\n    ingest: {{files: a.csv}}\n"
BAD = "pipeline: bad\ntabels: {}\n"
WHOLE = """\
pipeline: whole
description: Über "alles"
doc: |
  # {{ not a template }}
  See [here](x.md)
schedule: 30 2 * * *
timezone: Europe/Berlin
start_date: 2026-03-01
end_date: 2026-12-31T18:00:00
catchup: true
max_active_runs: 3
max_consecutive_failed_dag_runs: 4
tags: [b, a]
owner: team
params: {country: DE, n: 3}
dagrun_timeout: 1h30m
dag_display_name: Ganz & gar
external: [crm.c]
tables:
  gold.d:
    sql: SELECT * FROM silver.b
    depends_on: bronze.a
  bronze.a:
    ingest: {files: "x/{{ data_interval_start | ds }}.csv"}
    description: The rows
    retries: 2
    retry_delay: 1m30s
    retry_exponential_backoff: true
    max_retry_delay: 1h
    execution_timeout: 1d
    pool: x
    pool_slots: 2
    priority_weight: 5
    queue: q
    trigger_rule: all_done
    owner: me
  silver.b:
    sql: SELECT * FROM bronze.a JOIN crm.c USING (id) JOIN raw.o USING (id)
    unique_key: id
"""
OTHER = """\
pipeline: other
layers: {raw: {like: bronze}}
schedule: {any: [silver.b, {all: [gold.d, "s3://x/y"]}]}
tables:
  raw.o: {ingest: {files: a.csv}}
"""


@pytest.fixture
def load(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[dict[str, Any], str]]:
    """Return what writes files beside the two loaders and gives the DAGs and the import errors, put together."""
    for name in ("LAKE_ENV", "LAKE_HOME"):
        monkeypatch.delenv(name, raising=False)

    def load(files: Mapping[str, str], *, arguments: str = "", reporter: bool = True) -> tuple[dict[str, Any], str]:
        loaders = {"dags/lake_dags.py": LOADER.format(arguments)}
        if reporter:
            loaders["dags/lake_spec_errors.py"] = REPORTER.format(arguments)
        root = write({**loaders, **files})
        bag = DagBag(dag_folder=str(root / "dags"))
        assert {Path(path).name for path in bag.import_errors} <= {"lake_spec_errors.py"}
        return dict(bag.dags), "".join(bag.import_errors.values())

    return load


@pytest.fixture
def whole(load: Callable[..., Any]) -> dict[str, Any]:
    dags, errors = load({"dags/lake.yaml": "", "dags/whole.yaml": WHOLE, "dags/other.yaml": OTHER})
    assert (sorted(dags), errors) == (["other", "whole"], "")
    return dags


def stored(dag: Any) -> Any:
    """Return what the scheduler reads of a DAG."""
    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def test_a_dag_has_what_the_spec_says(whole: dict[str, Any]) -> None:
    for dag in (whole["whole"], stored(whole["whole"])):
        assert dag.description == 'Über "alles"'
        assert dag.doc_md == "# {{ not a template }}\nSee [here](x.md)\n"
        assert (dag.catchup, dag.max_active_runs, dag.max_consecutive_failed_dag_runs) == (True, 3, 4)
        assert set(dag.tags) == {"a", "b"}
        assert dag.dagrun_timeout == timedelta(hours=1, minutes=30)
        assert dag.dag_display_name == "Ganz & gar"
        assert dag.timezone.name == "Europe/Berlin"
        assert dag.start_date == pendulum.datetime(2026, 3, 1, tz="Europe/Berlin")
        assert dag.end_date == pendulum.datetime(2026, 12, 31, 18, tz="Europe/Berlin")
        assert dict(dag.params) == {"country": "DE", "n": 3, "lake_full_refresh": False}
        assert sorted(dag.task_ids) == ["bronze__a", "gold__d", "silver__b"]
    assert whole["whole"].get_task("silver__b").owner == "team"


def test_what_is_not_said_has_the_languages_defaults(whole: dict[str, Any]) -> None:
    dag = whole["other"]
    assert (dag.catchup, dag.max_active_runs, dag.end_date, dag.dagrun_timeout) == (False, 1, None, None)
    assert (dag.timezone.name, set(dag.tags)) == ("UTC", set())
    assert dict(dag.params) == {"lake_full_refresh": False}


def test_a_task_has_its_arguments(whole: dict[str, Any]) -> None:
    task = whole["whole"].get_task("bronze__a")
    assert (task.retries, task.retry_exponential_backoff) == (2, True)
    assert task.retry_delay == timedelta(seconds=90)
    assert task.max_retry_delay == timedelta(hours=1)
    assert task.execution_timeout == timedelta(days=1)
    assert (task.pool, task.pool_slots, task.priority_weight, task.queue) == ("x", 2, 5, "q")
    assert (task.trigger_rule, task.owner) == ("all_done", "me")
    assert task.doc_md.startswith("The rows\n\n- Owner: me\n")


def test_edges_are_lineage(whole: dict[str, Any]) -> None:
    above = {task.task_id: set(task.upstream_task_ids) for task in whole["whole"].tasks}
    assert above == {"bronze__a": set(), "silver__b": {"bronze__a"}, "gold__d": {"bronze__a", "silver__b"}}


def test_tables_of_others_are_inlets_and_outlets_are_aliases(whole: dict[str, Any]) -> None:
    tasks = {task.task_id: task for task in whole["whole"].tasks}
    assert {name: [asset.uri for asset in task.inlets] for name, task in tasks.items()} == {
        "bronze__a": [],
        "silver__b": ["iceberg://lake/crm/c", "iceberg://lake/raw/o"],
        "gold__d": [],
    }
    assert [inlet.name for inlet in tasks["silver__b"].inlets] == ["lake.crm.c", "lake.raw.o"]
    assert [type(outlet).__name__ for outlet in tasks["gold__d"].outlets] == ["AssetAlias"]
    assert [outlet.name for outlet in tasks["gold__d"].outlets] == ["lake:gold.d"]


def intervals(dag: Any, first: pendulum.DateTime, count: int) -> list[tuple[str, str]]:
    """Return the data intervals of the runs that the scheduler makes from a moment on."""
    timetable, last, made = stored(dag).timetable, None, []
    for _ in range(count):
        info = timetable.next_dagrun_info(
            last_automated_data_interval=last, restriction=TimeRestriction(earliest=first, latest=None, catchup=True)
        )
        last = info.data_interval
        assert info.run_after == last.end
        made.append((last.start.in_tz("UTC").isoformat()[:16], last.end.in_tz("UTC").isoformat()[:16]))
    return made


def test_a_crons_runs_have_real_intervals_over_the_change_of_clocks(whole: dict[str, Any]) -> None:
    assert type(whole["whole"].timetable).__name__ == "CronDataIntervalTimetable"
    assert intervals(whole["whole"], pendulum.datetime(2026, 3, 27, tz="Europe/Berlin"), 4) == [
        ("2026-03-27T01:30", "2026-03-28T01:30"),
        ("2026-03-28T01:30", "2026-03-29T01:30"),  # 02:30 does not come on this day: 03:30 summer time
        ("2026-03-29T01:30", "2026-03-30T00:30"),
        ("2026-03-30T00:30", "2026-03-31T00:30"),
    ]


@pytest.mark.parametrize(
    ("schedule", "timetable", "expected"),
    [
        ('"@daily"', "CronDataIntervalTimetable", ("2026-01-01T00:00", "2026-01-02T00:00")),
        ('"@hourly"', "CronDataIntervalTimetable", ("2026-01-01T00:00", "2026-01-01T01:00")),
        ("6h", "DeltaDataIntervalTimetable", ("2026-01-01T00:00", "2026-01-01T06:00")),
        ("1h30m", "DeltaDataIntervalTimetable", ("2026-01-01T00:00", "2026-01-01T01:30")),
    ],
)
def test_a_schedule_by_time(load: Callable[..., Any], schedule: str, timetable: str, expected: Any) -> None:
    dags, _ = load({"dags/p.yaml": f"schedule: {schedule}\nstart_date: 2026-01-01\n" + SMALL.format("p")})
    assert type(stored(dags["p"]).timetable).__name__ == timetable
    assert intervals(dags["p"], pendulum.datetime(2026, 1, 1), 1) == [expected]


@pytest.mark.parametrize(
    ("schedule", "timetable"),
    [("null", "NullTimetable"), ('"@once"', "OnceTimetable"), ('"@continuous"', "ContinuousTimetable")],
)
def test_a_schedule_without_a_clock(load: Callable[..., Any], schedule: str, timetable: str) -> None:
    dags, errors = load({"dags/p.yaml": f"schedule: {schedule}\nstart_date: 2026-01-01\n" + SMALL.format("p")})
    assert (type(stored(dags["p"]).timetable).__name__, errors) == (timetable, "")


def shape(condition: Any) -> Any:
    """Return a condition on assets as words and URIs."""
    parts = getattr(condition, "objects", None)
    return condition.uri if parts is None else [type(condition).__name__, *map(shape, parts)]


def test_a_schedule_by_assets(whole: dict[str, Any]) -> None:
    expected = ["AssetAny", "iceberg://lake/silver/b", ["AssetAll", "iceberg://lake/gold/d", "s3://x/y"]]
    assert shape(whole["other"].timetable.asset_condition) == expected


# --- the loader pair


def test_a_wrong_spec_is_the_second_files_error_and_touches_no_other(load: Callable[..., Any]) -> None:
    dags, errors = load(
        {
            "dags/good.yaml": SMALL.format("good"),
            "dags/bad.yaml": BAD,
            "dags/deep/worse.yaml": "pipeline: worse\ntables: [\n",
        }
    )
    assert list(dags) == ["good"]
    assert "bad.yaml:2:1: error[unknown-key]: unknown key `tabels`" in errors
    assert "did you mean `tables`?" in errors
    assert "deep/worse.yaml:3:1: error[yaml-syntax]" in errors


def test_without_the_second_file_a_paused_dag_shows_the_errors(load: Callable[..., Any]) -> None:
    dags, errors = load({"dags/good.yaml": SMALL.format("good"), "dags/bad.yaml": BAD}, reporter=False)
    assert (sorted(dags), errors) == (["good", "lake_spec_errors"], "")
    shown = stored(dags["lake_spec_errors"])
    assert (set(shown.tags), shown.is_paused_upon_creation) == ({"spec-error"}, True)
    assert "bad.yaml:2:1" in shown.doc_md
    assert type(shown.timetable).__name__ == "NullTimetable"


def test_good_specs_make_no_dag_of_errors(load: Callable[..., Any]) -> None:
    dags, errors = load({"dags/good.yaml": SMALL.format("good")}, reporter=False)
    assert (list(dags), errors) == (["good"], "")


def test_the_dag_of_errors_gives_its_name_to_no_pipeline(load: Callable[..., Any]) -> None:
    dags, errors = load({"dags/s.yaml": SMALL.format("lake_spec_errors"), "dags/good.yaml": SMALL.format("good")})
    assert (list(dags), "s.yaml:1:11" in errors) == (["good"], True)


def test_the_param_of_every_dag_is_nobody_elses(load: Callable[..., Any]) -> None:
    _, errors = load({"dags/s.yaml": "params: {lake_full_refresh: 3}\n" + SMALL.format("s")})
    assert "s.yaml:1:10" in errors


def test_specs_are_read_from_another_folder(load: Callable[..., Any]) -> None:
    files = {"dag_specs/a.yaml": SMALL.format("a"), "dag_specs/bad.yaml": BAD, "dags/b.yaml": SMALL.format("b")}
    dags, errors = load(files, arguments=', specs="../dag_specs"')
    assert (list(dags), "dag_specs/bad.yaml:2:1" in errors) == (["a"], True)


def test_one_pipeline_in_two_files_is_an_error_that_names_both(load: Callable[..., Any]) -> None:
    _, errors = load({"dags/a.yaml": SMALL.format("p"), "dags/b.yaml": SMALL.format("p").replace("bronze.p", "gold.p")})
    assert "b.yaml:1:11" in errors
    assert "a.yaml:1" in errors


def test_each_spec_has_the_defaults_of_its_own_project(load: Callable[..., Any]) -> None:
    dags, errors = load(
        {
            "lake.yaml": "defaults: {retries: 1}\n",
            "dags/a.yaml": SMALL.format("a"),
            "dags/team/lake.yaml": "defaults: {retries: 5, retry_delay: 10s}\n",
            "dags/team/deep/b.yaml": SMALL.format("b"),
            "dags/wrong/lake.yaml": "default: {}\n",
            "dags/wrong/c.yaml": SMALL.format("c"),
        }
    )
    assert {name: dag.tasks[0].retries for name, dag in dags.items()} == {"a": 1, "b": 5}
    assert errors.count("error[") == 1
    assert "wrong/lake.yaml:1:1" in errors
    assert stored(dags["b"]).get_task("bronze__b").retry_delay == timedelta(seconds=10)


def test_a_worker_builds_the_same_dag(load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "lake.yaml": "defaults: {retries: 1}\n",
        "dags/team/lake.yaml": "defaults: {retries: 5}\n",
        "dags/team/b.yaml": SMALL.format("b"),
        "dags/a.yaml": SMALL.format("a"),
        "dags/bad.yaml": BAD,
    }
    everything, _ = load(files)
    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "b")
    alone, errors = load(files)
    assert (list(alone), errors) == (["b"], "")
    found, whole = (DagSerialization.to_dict(dags["b"])["dag"] for dags in (alone, everything))
    # What the Code tab shows is the DAG processor's to say; a worker keeps the loader file.
    assert (found.pop("fileloc").endswith(".py"), whole.pop("fileloc").endswith("b.yaml")) == (True, True)
    assert found == whole


def test_the_environment_chooses_variables_and_catalog(
    load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "dags/lake.yaml": """\
environments:
  dev: {variables: {n: 7}, namespace_prefix: dev_}
  prod: {variables: {n: 9}, catalog: {name: acme}, env: [TEAM]}
""",
        "dags/p.yaml": """\
pipeline: p
variables: {n: 3}
external: [crm.c]
owner: ${env.TEAM:-nobody}
tables:
  gold.d: {sql: "SELECT * FROM crm.c WHERE x > ${n}", retries: "${n}"}
""",
    }
    seen = {}
    monkeypatch.setenv("TEAM", "ours")
    for name in ("dev", "prod"):
        monkeypatch.setenv("LAKE_ENV", name)
        dags, errors = load(files)
        if dags:
            (task,) = dags["p"].tasks
            seen[name] = (task.retries, task.sql[-1], task.inlets[0].uri, task.owner)
        else:
            seen[name] = errors
    assert seen["prod"] == (9, "9", "iceberg://acme/crm/c", "ours")
    assert "`TEAM` is not declared" in seen["dev"]


def test_a_tables_project_is_its_specs_wherever_its_function_lies(load: Callable[..., Any], root: Path) -> None:
    dags, errors = load(
        {
            "dags/s.yaml": f"extends: shared/_base.yaml\n{SMALL.format('s')}",
            "dags/shared/_base.yaml": "tables:\n  gold.t: {python: 'made.py:made'}\n",
            "dags/shared/made.py": "def made(bronze__s):\n    return bronze__s\n",
        }
    )
    assert errors == ""
    assert {task.project_dir for task in dags["s"].tasks} == {str((root / "dags").resolve())}

"""Every key of the language: one use that reaches the plan, and one misuse that is refused where it stands.

The tables below are compared with the models: a key without an entry fails.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from beside_keys import (
    BARE,
    IN_MEMORY,
    INGEST,
    LOCAL,
    MERGE,
    NO_SOURCE,
    ON_CLUSTER,
    QUERY,
    ROW_COUNT,
    SUBMIT,
    TYPE,
    USES_PROFILE,
    YARN,
)
from key_misuses import MISUSES, Misuse

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.plan import PipelinePlan, Schedule, plan_pipeline, platform_settings, table_request
from airflow_lake_provider.protocol import TableRequest
from airflow_lake_provider.spec import AssetCondition, Diagnostic, EngineConfig
from airflow_lake_provider.spec.column import ColumnSpec
from airflow_lake_provider.spec.engine_keys import ENGINE_KEYS
from airflow_lake_provider.spec.ingest import IngestSpec
from airflow_lake_provider.spec.lake_keys import CatalogKeys, EnvironmentKeys, LakeKeys, ProfileKeys
from airflow_lake_provider.spec.pipeline_keys import PipelineKeys
from airflow_lake_provider.spec.table import QuarantineSpec, TableSpec
from airflow_lake_provider.spec.write import WriteSpec

SPEC: dict[str, Any] = {
    "pipeline": "p",
    "start_date": "2026-01-01",
    "tables": {
        INGEST: {"ingest": {"files": "landing/*.csv"}},
        QUERY: {"sql": "SELECT * FROM bronze.a", "unique_key": "id"},
    },
}
LAKE: dict[str, Any] = {"environments": {"local": {}}}
FILES = {
    "query.sql": "SELECT * FROM bronze.a -- of a file",
    "build.py": "def build(bronze__a):\n    return bronze__a\n",
    "_base.yaml": "owner: base\ntags: [base]\n",
}

PLACES: dict[str, tuple[tuple[str, ...], set[str]]] = {
    "pipeline": ((), {*PipelineKeys.model_fields, "defaults", "tables"}),
    "table": (("tables", QUERY), set(TableSpec.model_fields)),
    "ingest": (("tables", INGEST, "ingest"), set(IngestSpec.model_fields)),
    "column": (("tables", QUERY, "columns", "id"), set(ColumnSpec.model_fields)),
    "write": (("tables", QUERY, "write"), set(WriteSpec.model_fields)),
    "quarantine": (("tables", QUERY, "quarantine"), set(QuarantineSpec.model_fields) - {"enabled"}),
    "check": (("tables", QUERY, "checks", "0", "row_count > 0"), {"on_fail", "on_error"}),
    "layer": (("layers", "raw"), {"like"}),
    "lake": (("lake.yaml",), set(LakeKeys.model_fields)),
    "environment": (("lake.yaml", "environments", "local"), set(EnvironmentKeys.model_fields)),
    "catalog": (("lake.yaml", "environments", "local", "catalog"), set(CatalogKeys.model_fields)),
    "profile": (("lake.yaml", "resource_profiles", "mine"), set(ProfileKeys.model_fields)),
    **{
        f"engine {type_}": (("lake.yaml", "environments", "local", "engines", "default"), set(model.model_fields))
        for type_, model in ENGINE_KEYS.items()
    },
}
"""Where the keys of each mapping of the language stand, and which there are by its model."""

See = Callable[[PipelinePlan], Any]


@dataclass(frozen=True)
class Use:
    """A value of a key; ``see`` finds it in the plan, as ``gives``.

    :param beside: what has to stand beside it, by path (``lake.yaml`` first: in that file).
    """

    value: Any
    see: See
    gives: Any
    beside: dict[tuple[str, ...], Any] = field(default_factory=dict)


def setting(key: str, table: str = QUERY) -> See:
    return lambda plan: plan.table(table).settings[key]


def argument(key: str) -> See:
    return lambda plan: plan.table(QUERY).task_arguments[key]


def request(plan: PipelinePlan, table: str) -> TableRequest:
    planned = plan.table(table)
    return table_request(table, planned.settings, environment=plan.environment, inputs=planned.inputs)


def step(table: str, number: int, key: str) -> See:
    return lambda plan: getattr(request(plan, table).steps[number], key)


def conf(plan: PipelinePlan) -> dict[str, str]:
    keys = {key: plan.table(QUERY).settings.get(key) for key in ("resource_profile", "spark_conf", "engine_options")}
    engine = plan.table(QUERY).settings.get("engine", "default")
    return platform_settings(plan.environment, engine=engine, **keys)[0]


def options(plan: PipelinePlan) -> dict[str, Any]:
    keys = {key: plan.table(QUERY).settings.get(key) for key in ("resource_profile", "spark_conf", "engine_options")}
    return platform_settings(plan.environment, **keys)[1]


def engine_option(key: str) -> See:
    return lambda plan: plan.environment.engines["default"].options[key]


def pipeline(key: str) -> See:
    return lambda plan: getattr(plan, key)


def dag(key: str) -> See:
    return lambda plan: plan.dag_arguments[key]


DAY = timedelta(days=1)

USES: dict[str, dict[str, Use]] = {
    "pipeline": {
        "pipeline": Use("orders-1.x", pipeline("pipeline"), "orders-1.x"),
        "description": Use("Orders", pipeline("description"), "Orders"),
        "doc": Use("# Orders", pipeline("doc"), "# Orders"),
        "schedule": Use("0 6 * * 1", pipeline("schedule"), Schedule(cron="0 6 * * 1")),
        "timezone": Use("Europe/Berlin", lambda plan: plan.start_date.utcoffset(), timedelta(hours=1)),
        "start_date": Use("2026-02-03", pipeline("start_date"), datetime(2026, 2, 3, tzinfo=UTC)),
        "end_date": Use("2026-02-03T04:05:06+02:00", pipeline("end_date"), datetime(2026, 2, 3, 2, 5, 6, tzinfo=UTC)),
        "catchup": Use(True, pipeline("catchup"), True),
        "max_active_runs": Use(3, pipeline("max_active_runs"), 3),
        "max_consecutive_failed_dag_runs": Use(2, dag("max_consecutive_failed_dag_runs"), 2),
        "tags": Use("one", dag("tags"), ["one"]),
        "owner": Use("me", dag("owner"), "me"),
        "owner_links": Use({"me": "mailto:me@a.b"}, dag("owner_links"), {"me": "mailto:me@a.b"}),
        "params": Use({"day": "x"}, dag("params"), {"day": "x"}),
        "dagrun_timeout": Use("1h30m", dag("dagrun_timeout"), timedelta(minutes=90)),
        "dag_display_name": Use("Orders!", dag("dag_display_name"), "Orders!"),
        "environment": Use(
            "prod", lambda plan: plan.environment.name, "prod", {("lake.yaml", "environments", "prod"): {}}
        ),
        "extends": Use("_base.yaml", dag("owner"), "base"),
        "variables": Use({"n": 3}, argument("retries"), 3, {("tables", QUERY, "retries"): "${n}"}),
        "defaults": Use({"retries": 4}, argument("retries"), 4),
        "layers": Use({"silver": {"retries": 5}}, argument("retries"), 5),
        "external": Use(
            "raw.x",
            lambda plan: plan.table(QUERY).inputs,
            ("raw.x",),
            {("tables", QUERY, "sql"): "SELECT * FROM raw.x"},
        ),
        "tables": Use(
            {"gold.c": {"sql": "SELECT 1 AS one"}}, lambda plan: [table.table for table in plan.tables], ["gold.c"]
        ),
    },
    "table": {
        "retries": Use(3, argument("retries"), 3),
        "retry_delay": Use("5m", argument("retry_delay"), timedelta(minutes=5)),
        "retry_exponential_backoff": Use(True, argument("retry_exponential_backoff"), True),
        "max_retry_delay": Use("1d", argument("max_retry_delay"), DAY),
        "execution_timeout": Use("30s", argument("execution_timeout"), timedelta(seconds=30)),
        "pool": Use("spark", argument("pool"), "spark"),
        "pool_slots": Use(2, argument("pool_slots"), 2),
        "priority_weight": Use(-5, argument("priority_weight"), -5),
        "weight_rule": Use("upstream", argument("weight_rule"), "upstream"),
        "queue": Use("big", argument("queue"), "big"),
        "trigger_rule": Use("none_failed", argument("trigger_rule"), "none_failed"),
        "depends_on_past": Use(True, argument("depends_on_past"), True),
        "wait_for_downstream": Use(True, argument("wait_for_downstream"), True),
        "max_active_tis_per_dag": Use(1, argument("max_active_tis_per_dag"), 1),
        "run_as_user": Use("etl", argument("run_as_user"), "etl"),
        "executor": Use("Celery", argument("executor"), "Celery"),
        "owner": Use("me", argument("owner"), "me"),
        "description": Use("What", lambda plan: request(plan, QUERY).description, "What"),
        "tags": Use(["a"], setting("tags"), ["a"]),
        "columns": Use(
            {"id": "long not null"},
            lambda plan: [(c.name, c.type, c.nullable) for c in request(plan, QUERY).columns or ()],
            [("id", "bigint", False)],
        ),
        "unique_key": Use(["id", "day"], step(QUERY, 1, "unique_key"), ("id", "day")),
        "partition_by": Use(["Day( at )", "x"], lambda plan: request(plan, QUERY).partition_by, ("day(at)", "x")),
        "write": Use("replace", step(QUERY, 1, "strategy"), "replace"),
        "checks": Use(["row_count > 0"], lambda plan: request(plan, QUERY).steps[2].checks[0].text, "row_count > 0"),
        "quarantine": Use(False, lambda plan: request(plan, QUERY).quarantine.enabled, False),
        "on_schema_change": Use("fail", lambda plan: request(plan, QUERY).table, QUERY),
        "properties": Use(
            {"format-version": 2, "x": None}, lambda plan: request(plan, QUERY).properties, {"format-version": "2"}
        ),
        "depends_on": Use(
            INGEST, lambda plan: plan.table(QUERY).upstream, (INGEST,), {("tables", QUERY, "sql"): "SELECT 1 AS id"}
        ),
        "engine": Use(
            "big",
            setting("engine"),
            "big",
            {("lake.yaml", "environments", "local", "engines"): {"big": {"type": "in_memory"}}},
        ),
        "resource_profile": Use("large", lambda plan: conf(plan)["spark.driver.memory"], "8g"),
        "spark_conf": Use({"spark.a": True, "spark.b": 1.5}, conf, {"spark.a": "true", "spark.b": "1.5"}),
        "engine_options": Use({"a": {"b": 1}}, options, {"a": {"b": 1}}),
        "ingest": Use({"files": "x.csv"}, step(QUERY, 0, "format"), "csv", NO_SOURCE),
        "sql": Use("SELECT 1 AS id", step(QUERY, 0, "sql"), "SELECT 1 AS id"),
        "sql_file": Use("query.sql", step(QUERY, 0, "sql"), "SELECT * FROM bronze.a -- of a file", NO_SOURCE),
        "python": Use("build.py:build", step(QUERY, 0, "function"), "build", NO_SOURCE),
    },
    "ingest": {
        "files": Use(
            ["a/*.csv", "/b.csv"],
            lambda plan: [Path(file).name for file in request(plan, INGEST).steps[0].files],
            ["*.csv", "b.csv"],
        ),
        "format": Use("json", step(INGEST, 0, "format"), "json"),
        "options": Use({"header": True, "n": 1}, step(INGEST, 0, "options"), {"header": "true", "n": "1"}),
        "recursive": Use(True, step(INGEST, 0, "recursive"), True),
        "on_empty": Use("skip", step(INGEST, 0, "on_empty"), "skip"),
        "on_replaced": Use("append", step(INGEST, 0, "on_replaced"), "append"),
        "metadata_columns": Use("_run_id", step(INGEST, 0, "metadata_columns"), ("_run_id",)),
        "files_per_run": Use(7, step(INGEST, 0, "files_per_run"), 7),
    },
    "column": {
        "type": Use("decimal(10, 2)", lambda plan: request(plan, QUERY).columns[0].type, "decimal(10,2)"),
        "nullable": Use(False, lambda plan: request(plan, QUERY).columns[0].nullable, False, TYPE),
        "description": Use("Key", lambda plan: request(plan, QUERY).columns[0].description, "Key", TYPE),
        "rule": Use("id > 0", lambda plan: request(plan, QUERY).columns[0].rule, "id > 0", TYPE),
    },
    "write": {
        "strategy": Use("merge", step(QUERY, 1, "strategy"), "merge"),
        "sequence_by": Use("at", step(QUERY, 1, "sequence_by"), "at", MERGE),
        "mode": Use("merge_on_read", step(QUERY, 1, "mode"), "merge_on_read", MERGE),
        "update_columns": Use("a", step(QUERY, 1, "update_columns"), ("a",), MERGE),
        "exclude_columns": Use(["a", "b"], step(QUERY, 1, "exclude_columns"), ("a", "b"), MERGE),
        "delete_when": Use("gone", step(QUERY, 1, "delete_when"), "gone", MERGE),
        "when_matched": Use("keep", step(QUERY, 1, "when_matched"), "keep", MERGE),
        "when_not_matched": Use("ignore", step(QUERY, 1, "when_not_matched"), "ignore", MERGE),
        "when_not_matched_by_source": Use({"soft_delete": "gone"}, step(QUERY, 1, "soft_delete"), "gone", MERGE),
    },
    "quarantine": {
        "table": Use("bad", lambda plan: request(plan, QUERY).quarantine.table, "silver.bad"),
        "max": Use("25%", lambda plan: request(plan, QUERY).quarantine.max_fraction, 0.25),
    },
    "check": {
        "on_fail": Use("warn", lambda plan: request(plan, QUERY).steps[2].checks[0].on_error, "warn", ROW_COUNT),
        "on_error": Use(
            "skip_publish", lambda plan: request(plan, QUERY).steps[2].checks[0].on_error, "skip_publish", ROW_COUNT
        ),
    },
    "layer": {
        "like": Use(
            "gold",
            lambda plan: plan.table("raw.x").settings["write"],
            {"strategy": "replace"},
            {("tables", "raw.x"): {"sql": "SELECT 1 AS one"}},
        ),
    },
    "lake": {
        "default_environment": Use(
            "prod", lambda plan: plan.environment.name, "prod", {("lake.yaml", "environments", "prod"): {}}
        ),
        "environments": Use({"local": {"job_root": "/jobs"}}, lambda plan: plan.environment.job_root, "/jobs"),
        "resource_profiles": Use(
            {"mine": {"driver_memory": "3g"}}, lambda plan: conf(plan)["spark.driver.memory"], "3g", USES_PROFILE
        ),
        "defaults": Use({"retries": 6}, argument("retries"), 6),
        "layers": Use({"silver": {"retries": 7}}, argument("retries"), 7),
    },
    "environment": {
        "base_path": Use("s3://b", lambda plan: request(plan, INGEST).steps[0].files, ("s3://b/landing/*.csv",)),
        "namespace_prefix": Use("dev_", step(QUERY, 0, "sql"), "SELECT * FROM dev_bronze.a"),
        "catalog": Use({"name": "shop"}, lambda plan: plan.environment.catalog.name, "shop"),
        "engines": Use(
            {"default": {"type": "in_memory"}},
            lambda plan: plan.environment.engines["default"],
            EngineConfig("in_memory"),
        ),
        "job_root": Use("s3://jobs", lambda plan: plan.environment.job_root, "s3://jobs"),
        "variables": Use(
            {"n": 8}, argument("retries"), 8, {("variables",): {"n": 1}, ("tables", QUERY, "retries"): "${n}"}
        ),
        "env": Use(["BUCKET"], argument("pool"), "landing", {("tables", QUERY, "pool"): "${env.BUCKET}"}),
        "spark_conf": Use({"spark.a": 1}, conf, {"spark.a": "1"}),
        "engine_options": Use({"a": 1}, options, {"a": 1}),
    },
    "catalog": {
        "name": Use("shop", lambda plan: plan.environment.catalog.name, "shop"),
        "type": Use(
            "hadoop",
            lambda plan: plan.environment.catalog.type,
            "hadoop",
            {("lake.yaml", "environments", "local", "catalog", "warehouse"): "/w"},
        ),
        "warehouse": Use("/w", lambda plan: plan.environment.catalog.warehouse, "file:///w"),
    },
    "profile": {
        "driver_memory": Use("3g", lambda plan: conf(plan)["spark.driver.memory"], "3g", ON_CLUSTER),
        "driver_cores": Use(3, lambda plan: conf(plan)["spark.driver.cores"], "3", ON_CLUSTER),
        "executor_memory": Use("5g", lambda plan: conf(plan)["spark.executor.memory"], "5g", ON_CLUSTER),
        "executor_cores": Use(4, lambda plan: conf(plan)["spark.executor.cores"], "4", ON_CLUSTER),
        "executors": Use(6, lambda plan: conf(plan)["spark.executor.instances"], "6", ON_CLUSTER),
        "spark_conf": Use({"spark.a": 1}, lambda plan: conf(plan)["spark.a"], "1", ON_CLUSTER),
        "engine_options": Use({"a": 1}, options, {"a": 1}, ON_CLUSTER),
    },
    "engine local": {
        "type": Use("local", lambda plan: plan.environment.engines["default"].type, "local"),
        "python": Use("/p", engine_option("python"), "/p", LOCAL),
        "master": Use("local[8]", engine_option("master"), "local[8]", LOCAL),
        "driver_memory": Use("8g", engine_option("driver_memory"), "8g", LOCAL),
        "spark_conf": Use({"spark.a": "b"}, engine_option("spark_conf"), {"spark.a": "b"}, LOCAL),
        "env": Use({"A": "b"}, engine_option("env"), {"A": "b"}, LOCAL),
        "deferrable": Use(True, lambda plan: plan.environment.engines["default"].deferrable, True, LOCAL),
        "poll_interval": Use(5, lambda plan: plan.environment.engines["default"].poll_interval, 5, LOCAL),
    },
    "engine spark_submit": {
        "type": Use("spark_submit", lambda plan: plan.environment.engines["default"].type, "spark_submit", YARN),
        "conn_id": Use("spark_default", engine_option("conn_id"), "spark_default", BARE),
        "master": Use("yarn", engine_option("master"), "yarn", BARE),
        "deploy_mode": Use("cluster", engine_option("deploy_mode"), "cluster", SUBMIT),
        "spark_binary": Use("/s", engine_option("spark_binary"), "/s", SUBMIT),
        "python": Use("/p", engine_option("python"), "/p", SUBMIT),
        "queue": Use("etl", engine_option("queue"), "etl", SUBMIT),
        "namespace": Use("spark", engine_option("namespace"), "spark", SUBMIT),
        "principal": Use("me@X", engine_option("principal"), "me@X", SUBMIT),
        "keytab": Use("/k", engine_option("keytab"), "/k", SUBMIT),
        "jars": Use(["/j"], engine_option("jars"), ["/j"], SUBMIT),
        "packages": Use(["a:b:1"], engine_option("packages"), ["a:b:1"], SUBMIT),
        "spark_conf": Use({"spark.a": "b"}, engine_option("spark_conf"), {"spark.a": "b"}, SUBMIT),
        "env": Use({"A": "b"}, engine_option("env"), {"A": "b"}, SUBMIT),
        "staging": Use("s3://s", engine_option("staging"), "s3://s", SUBMIT),
        "deferrable": Use(False, lambda plan: plan.environment.engines["default"].deferrable, False, SUBMIT),
        "poll_interval": Use(5, engine_option("poll_interval"), 5, SUBMIT),
    },
    "engine in_memory": {
        "type": Use("in_memory", lambda plan: plan.environment.engines["default"].type, "in_memory"),
        "deferrable": Use(True, lambda plan: plan.environment.engines["default"].deferrable, True, IN_MEMORY),
        "poll_interval": Use(5, lambda plan: plan.environment.engines["default"].poll_interval, 5, IN_MEMORY),
    },
}


@pytest.mark.parametrize("entries", [USES, MISUSES], ids=["use", "misuse"])
@pytest.mark.parametrize("place", PLACES)
def test_every_key_of_the_models_has_an_entry(place: str, entries: dict[str, dict[str, Any]]) -> None:
    assert set(entries[place]) == PLACES[place][1]


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("LAKE_ENV", "LAKE_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("BUCKET", "landing")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path, place: str, key: str, entry: Use | Misuse) -> Path:
    """Write the project with one key set, and what has to stand beside it."""
    documents = {"spec.yaml": copy.deepcopy(SPEC), "lake.yaml": copy.deepcopy(LAKE)}
    for path, value in {**entry.beside, (*PLACES[place][0], key): entry.value}.items():
        put(documents, path, value)
    for name, plain in documents.items():
        (folder / name).write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    return Path("spec.yaml")


def put(documents: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    node: Any = documents["lake.yaml" if path[:1] == ("lake.yaml",) else "spec.yaml"]
    *above, last = [part for part in path if part != "lake.yaml"]
    for part in above:
        node = node[int(part)] if isinstance(node, list) else node.setdefault(part, {})
    node[last] = copy.deepcopy(value)
    if value is None:
        del node[last]


def cases(entries: dict[str, dict[str, Any]]) -> Iterator[Any]:
    for place, keys in entries.items():
        for key, entry in keys.items():
            yield pytest.param(place, key, entry, id=f"{place} {key}")


@pytest.mark.parametrize(("place", "key", "use"), list(cases(USES)))
def test_a_key_reaches_the_plan(project: Path, place: str, key: str, use: Use) -> None:
    assert use.see(plan_pipeline(written(project, place, key, use))) == use.gives


@pytest.mark.parametrize(("place", "key", "misuse"), list(cases(MISUSES)))
def test_a_wrong_value_is_refused_where_it_stands(project: Path, place: str, key: str, misuse: Misuse) -> None:
    spec = written(project, place, key, misuse)
    with pytest.raises(SpecError) as caught:
        plan_pipeline(spec)
    errors = [each for each in caught.value.diagnostics if isinstance(each, Diagnostic) and each.is_error]
    assert [each.code for each in errors] == [misuse.code]
    (found,) = errors
    assert found.file == ("lake.yaml" if PLACES[place][0][:1] == ("lake.yaml",) else "spec.yaml")
    shown = found.text[found.column - 1 :].lstrip("'\"" if not misuse.at.startswith("'") else "")
    assert shown.startswith(misuse.at or str(misuse.value))


ASSETS = AssetCondition("any", ("raw.x", AssetCondition("all", ("s3://b/c", "raw.y"))))
SCHEDULES: list[tuple[Any, Schedule | None]] = [
    (None, None),
    ("@daily", Schedule(cron="0 0 * * *")),
    ("@quarterly", Schedule(cron="0 0 1 */3 *")),
    ("@once", Schedule(preset="@once")),
    ("@continuous", Schedule(preset="@continuous")),
    ("0 6 * * mon-fri", Schedule(cron="0 6 * * mon-fri")),
    ("0 0 6 * * *", Schedule(cron="0 0 6 * * *")),
    ("6h", Schedule(every=timedelta(hours=6))),
    ("1d12h", Schedule(every=timedelta(hours=36))),
    ({"assets": ["raw.x"]}, Schedule(assets=AssetCondition("all", ("raw.x",)))),
    ({"all": ["raw.x", "raw.y"]}, Schedule(assets=AssetCondition("all", ("raw.x", "raw.y")))),
    ({"any": ["raw.x", {"all": ["s3://b/c", "raw.y"]}]}, Schedule(assets=ASSETS)),
]


@pytest.mark.parametrize(("schedule", "planned"), SCHEDULES, ids=[str(pair[0]) for pair in SCHEDULES])
def test_schedules_of_every_kind(project: Path, schedule: Any, planned: Schedule | None) -> None:
    spec = {**copy.deepcopy(SPEC), "schedule": schedule, "external": ["raw.x", "raw.y"]}
    (project / "spec.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    assert plan_pipeline(Path("spec.yaml")).schedule == planned

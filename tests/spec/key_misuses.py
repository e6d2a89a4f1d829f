"""A misuse of every key of the language, and the mistake that it is."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from beside_keys import BARE, IN_MEMORY, LOCAL, MERGE, NO_SOURCE, ROW_COUNT, SUBMIT, TYPE


@dataclass(frozen=True)
class Misuse:
    """A wrong value: the code of the mistake, and the word that it is shown at; by default the value."""

    value: Any
    code: str
    at: str = ""
    beside: dict[tuple[str, ...], Any] = field(default_factory=dict)


LIST = ["a"]
MISUSES: dict[str, dict[str, Misuse]] = {
    "pipeline": {
        "pipeline": Misuse("a b", "pipeline-id"),
        "description": Misuse(5, "wrong-type"),
        "doc": Misuse(LIST, "wrong-type", "doc"),
        "schedule": Misuse("0 25 * * *", "schedule", "25"),
        "timezone": Misuse("Mars/Phobos", "timezone"),
        "start_date": Misuse("2026-13-01", "date"),
        "end_date": Misuse("2025-01-01", "date"),
        "catchup": Misuse("no", "wrong-type"),
        "max_active_runs": Misuse(0, "wrong-value"),
        "max_consecutive_failed_dag_runs": Misuse(-1, "wrong-value"),
        "tags": Misuse(["x" * 101], "wrong-value", "x"),
        "owner": Misuse("", "wrong-value", "''"),
        "owner_links": Misuse({"me": "javascript://a.b"}, "wrong-value", "javascript://a.b"),
        "params": Misuse(LIST, "wrong-type", "params"),
        "dagrun_timeout": Misuse(60, "duration"),
        "dag_display_name": Misuse(5, "wrong-type"),
        "environment": Misuse("prod", "unknown-environment"),
        "extends": Misuse("nowhere.yaml", "missing-file"),
        "variables": Misuse({"1st": 1}, "identifier", "1st"),
        "defaults": Misuse({"sql": "SELECT 1"}, "unknown-key", "sql"),
        "layers": Misuse({"silver": {"retrys": 1}}, "unknown-key", "retrys"),
        "external": Misuse(["a"], "table-name", "a"),
        "tables": Misuse({}, "wrong-type", "tables"),
    },
    "table": {
        "retries": Misuse(-1, "wrong-value"),
        "retry_delay": Misuse("5 minutes", "duration"),
        "retry_exponential_backoff": Misuse(2, "wrong-type"),
        "max_retry_delay": Misuse("0s", "duration"),
        "execution_timeout": Misuse("999999999d", "duration"),
        "pool": Misuse(5, "wrong-type"),
        "pool_slots": Misuse(0, "wrong-value"),
        "priority_weight": Misuse(1.5, "wrong-type"),
        "weight_rule": Misuse("up", "wrong-value"),
        "queue": Misuse(LIST, "wrong-type", "queue"),
        "trigger_rule": Misuse("all_sucess", "wrong-value"),
        "depends_on_past": Misuse("yes", "wrong-type"),
        "wait_for_downstream": Misuse(1, "wrong-type"),
        "max_active_tis_per_dag": Misuse(0, "wrong-value"),
        "run_as_user": Misuse(0, "wrong-type"),
        "executor": Misuse(LIST, "wrong-type", "executor"),
        "owner": Misuse(5, "wrong-type"),
        "description": Misuse(5, "wrong-type"),
        "tags": Misuse({"a": "b"}, "wrong-type", "tags"),
        "columns": Misuse({"id": "bigit"}, "column-type", "bigit"),
        "unique_key": Misuse(["a b"], "identifier", "a b"),
        "partition_by": Misuse(["days(at)"], "partition", "days"),
        "write": Misuse("upsert", "wrong-value"),
        "checks": Misuse(["rowcount > 0"], "check", "rowcount"),
        "quarantine": Misuse({"tabel": "x"}, "unknown-key", "tabel"),
        "on_schema_change": Misuse("append_new_columns", "not-supported-yet"),
        "properties": Misuse({"a": {"b": 1}}, "wrong-type", "a"),
        "depends_on": Misuse(["silver.nowhere"], "unknown-table", "silver.nowhere"),
        "engine": Misuse("heavy", "unknown-engine"),
        "resource_profile": Misuse("huge", "unknown-profile"),
        "spark_conf": Misuse(LIST, "wrong-type", "spark_conf"),
        "engine_options": Misuse("x", "wrong-type"),
        "ingest": Misuse({"files": "x.csv"}, "source", "sql"),
        "sql": Misuse("SELECT * FROM nowhere.x", "unknown-table", "nowhere.x"),
        "sql_file": Misuse("../x.sql", "path", beside=NO_SOURCE),
        "python": Misuse("build.py:bild", "python", "bild", beside=NO_SOURCE),
    },
    "ingest": {
        "files": Misuse([], "wrong-value", "files"),
        "format": Misuse("cvs", "wrong-value"),
        "options": Misuse({"a": ["b"]}, "wrong-type", "a"),
        "recursive": Misuse("yes", "wrong-type"),
        "on_empty": Misuse("ignore", "wrong-value"),
        "on_replaced": Misuse("keep", "wrong-value"),
        "metadata_columns": Misuse(["_file"], "wrong-value", "_file"),
        "files_per_run": Misuse(0, "wrong-value"),
    },
    "column": {
        "type": Misuse("varchar(5)", "column-type"),
        "nullable": Misuse("no", "wrong-type", beside=TYPE),
        "description": Misuse(5, "wrong-type", beside=TYPE),
        "rule": Misuse("idd > 0", "unknown-column", "idd", beside=TYPE),
    },
    "write": {
        "strategy": Misuse("scd2", "not-supported-yet"),
        "sequence_by": Misuse("a-b", "identifier", beside=MERGE),
        "mode": Misuse("cow", "wrong-value", beside=MERGE),
        "update_columns": Misuse(["id"], "wrong-value", "id", beside=MERGE),
        "exclude_columns": Misuse([], "wrong-value", "exclude_columns", beside=MERGE),
        "delete_when": Misuse("gone AND", "rule", "AND", beside=MERGE),
        "when_matched": Misuse("delete", "wrong-value", beside=MERGE),
        "when_not_matched": Misuse("keep", "wrong-value", beside=MERGE),
        "when_not_matched_by_source": Misuse("ignore", "wrong-value", beside=MERGE),
    },
    "quarantine": {
        "table": Misuse("silver.b", "quarantine"),
        "max": Misuse("110%", "fraction"),
    },
    "check": {
        "on_fail": Misuse("stop", "wrong-value", beside=ROW_COUNT),
        "on_error": Misuse("quarantine", "not-supported-yet", beside=ROW_COUNT),
    },
    "layer": {"like": Misuse("bronz", "layer")},
    "lake": {
        "default_environment": Misuse("prod", "unknown-environment"),
        "environments": Misuse({"local": {"bse_path": "x"}}, "unknown-key", "bse_path"),
        "resource_profiles": Misuse({"mine": {"memory": "3g"}}, "unknown-key", "memory"),
        "defaults": Misuse({"retries": "many"}, "wrong-type", "many"),
        "layers": Misuse({"raw": {"like": "bronz"}}, "layer", "bronz"),
    },
    "environment": {
        "base_path": Misuse(5, "wrong-type"),
        "namespace_prefix": Misuse("dev-", "identifier"),
        "catalog": Misuse({"type": "glue"}, "not-supported-yet", "glue"),
        "engines": Misuse({"default": {"type": "emr_serverless"}}, "not-supported-yet", "emr_serverless"),
        "job_root": Misuse(LIST, "wrong-type", "job_root"),
        "variables": Misuse({"n": "many"}, "variable", "many", beside={("variables",): {"n": 1}}),
        "env": Misuse(["MY-BUCKET"], "identifier", "MY-BUCKET"),
        "spark_conf": Misuse(LIST, "wrong-type", "spark_conf"),
        "engine_options": Misuse(LIST, "wrong-type", "engine_options"),
    },
    "catalog": {
        "name": Misuse("my-lake", "identifier"),
        "type": Misuse("nessie", "wrong-value"),
        "warehouse": Misuse(5, "wrong-type"),
    },
    "profile": {
        "driver_memory": Misuse("4", "wrong-value"),
        "driver_cores": Misuse(0, "wrong-value"),
        "executor_memory": Misuse(4, "wrong-value"),
        "executor_cores": Misuse(1.5, "wrong-type"),
        "executors": Misuse(-1, "wrong-value"),
        "spark_conf": Misuse({"a": ["b"]}, "wrong-type", "a"),
        "engine_options": Misuse("x", "wrong-type"),
    },
    "engine local": {
        "type": Misuse("lokal", "wrong-value"),
        "python": Misuse(3.9, "wrong-type", beside=LOCAL),
        "master": Misuse(LIST, "wrong-type", "master", beside=LOCAL),
        "driver_memory": Misuse(8, "wrong-type", beside=LOCAL),
        "spark_conf": Misuse(LIST, "wrong-type", "spark_conf", beside=LOCAL),
        "env": Misuse({"A": ["b"]}, "wrong-type", "A", beside=LOCAL),
        "deferrable": Misuse("yes", "wrong-type", beside=LOCAL),
        "poll_interval": Misuse("soon", "wrong-type", beside=LOCAL),
    },
    "engine spark_submit": {
        "type": Misuse("spark", "wrong-value"),
        "conn_id": Misuse(5, "wrong-type", beside=BARE),
        "master": Misuse("", "wrong-value", "''", beside=BARE),
        "deploy_mode": Misuse("remote", "wrong-value", beside=SUBMIT),
        "spark_binary": Misuse(LIST, "wrong-type", "spark_binary", beside=SUBMIT),
        "python": Misuse(3.9, "wrong-type", beside=SUBMIT),
        "queue": Misuse(5, "wrong-type", beside=SUBMIT),
        "namespace": Misuse(5, "wrong-type", beside=SUBMIT),
        "principal": Misuse(5, "wrong-type", beside=SUBMIT),
        "keytab": Misuse(5, "wrong-type", beside=SUBMIT),
        "jars": Misuse({"a": 1}, "wrong-type", "jars", beside=SUBMIT),
        "packages": Misuse([5], "wrong-type", "5", beside=SUBMIT),
        "spark_conf": Misuse("x", "wrong-type", beside=SUBMIT),
        "env": Misuse(LIST, "wrong-type", "env", beside=SUBMIT),
        "staging": Misuse(5, "wrong-type", beside=SUBMIT),
        "deferrable": Misuse("no", "wrong-type", beside=SUBMIT),
        "poll_interval": Misuse(-1, "wrong-value", beside=SUBMIT),
    },
    "engine in_memory": {
        "type": Misuse("memory", "wrong-value"),
        "deferrable": Misuse("no", "wrong-type", beside=IN_MEMORY),
        "poll_interval": Misuse("soon", "wrong-type", beside=IN_MEMORY),
    },
}

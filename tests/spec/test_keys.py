"""Every key: the ones built, the ones to come, and misspelt ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import TASK_ARGUMENTS, Diagnostic, PipelineKeys, PipelineSpec, TableSpec, load_spec
from airflow_lake_provider.spec.table import WriteSpec


def load(folder: Path, plain: Any) -> PipelineSpec:
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    return load_spec(path)


def refusals(folder: Path, plain: Any) -> list[tuple[str, str, str]]:
    with pytest.raises(SpecError) as caught:
        load(folder, plain)
    found = [each for each in caught.value.diagnostics if isinstance(each, Diagnostic)]
    return [(each.code, each.message, each.hint) for each in found]


def with_table(**keys: Any) -> dict[str, Any]:
    return {"pipeline": "p", "tables": {"bronze.a": {"ingest": {"files": "a.csv"}, **keys}}}


def with_pipeline(**keys: Any) -> dict[str, Any]:
    return {**with_table(), **keys}


LATER_WRITE_OPTIONS = {
    "track_columns": ["a"], "ignore_columns": ["a"], "valid_from": "f", "valid_to": "t", "is_current": "c",
    "hard_deletes": "close", "deletes": "x", "truncates": "x", "format": "debezium", "stored_as": "scd2",
    "ignore_null_updates": True, "interval_column": "day",
}  # fmt: skip
LATER: dict[str, dict[str, Any]] = {
    "table incremental": with_table(incremental="bronze.b"),
    "defaults incremental": with_pipeline(defaults={"incremental": {}}),
    "layer incremental": with_pipeline(layers={"raw": {"incremental": {}}}),
    **{
        f"write {key}": with_table(unique_key="a", write={"strategy": "merge", key: value})
        for key, value in LATER_WRITE_OPTIONS.items()
    },
}


@pytest.mark.parametrize("name", LATER)
def test_a_key_to_come_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    ((code, message, _),) = refusals(tmp_path, LATER[name])
    assert (code, message) == ("not-supported-yet", f"`{name.split()[1]}` is not supported yet")


LATER_VALUES: dict[str, tuple[dict[str, Any], str]] = {
    **{name: (with_table(write=name), name) for name in ("scd2", "cdc", "replace_interval", "delete_insert")},
    **{
        name: (with_table(on_schema_change=name), name) for name in ("ignore", "append_new_columns", "sync_all_columns")
    },
    "scope": (with_table(checks=[{"row_count > 0": {"scope": "batch"}}]), "scope"),
    "on_fail": (with_table(checks=[{"row_count > 0": {"on_fail": "quarantine"}}]), "on_fail: quarantine"),
    "on_error": (with_table(checks=[{"row_count > 0": {"on_error": "quarantine"}}]), "on_error: quarantine"),
}


@pytest.mark.parametrize("name", LATER_VALUES)
def test_a_value_to_come_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    plain, said = LATER_VALUES[name]
    ((code, message, _),) = refusals(tmp_path, plain)
    assert code == "not-supported-yet"
    assert said in message


def test_a_template_in_a_check_with_settings_is_looked_at(tmp_path: Path) -> None:
    check = {"row_count > {{ params.least": {"name": "enough"}}
    ((code, message, hint),) = refusals(tmp_path, with_table(checks=[check]))
    assert (code, message, hint) == ("template", "nothing closes this `{{`", "expected `}}`")


def misspelt(key: str) -> str:
    return key[:-2] + key[-1] + key[-2]


@pytest.mark.parametrize("key", [key for key in PipelineKeys.model_fields if misspelt(key) != key])
def test_a_misspelt_pipeline_key_names_the_right_one(tmp_path: Path, key: str) -> None:
    plain = with_pipeline(**{misspelt(key): None})
    assert [(code, f"did you mean `{key}`?" in hint) for code, _, hint in refusals(tmp_path, plain)] == [
        ("unknown-key", True)
    ]


@pytest.mark.parametrize("key", [key for key in TableSpec.model_fields if misspelt(key) != key])
def test_a_misspelt_table_key_names_the_right_one(tmp_path: Path, key: str) -> None:
    plain = with_table(**{misspelt(key): None})
    assert [(code, f"did you mean `{key}`?" in hint) for code, _, hint in refusals(tmp_path, plain)] == [
        ("unknown-key", True)
    ]


@pytest.mark.parametrize("key", [*PipelineKeys.model_fields, "tables"])
def test_a_pipeline_key_of_a_wrong_type_is_located(tmp_path: Path, key: str) -> None:
    plain = with_pipeline(**{key: [[{"x": 1}]]})
    errors = refusals(tmp_path, plain)
    assert errors
    assert all(code not in ("unknown-key", "not-supported-yet") for code, _, _ in errors)


@pytest.mark.parametrize("key", TableSpec.model_fields)
def test_a_table_key_of_a_wrong_type_is_located(tmp_path: Path, key: str) -> None:
    wrong: Any = {"columns": "int", "engine_options": "none"}.get(key, {"deep": [{"x": 1}]})
    errors = refusals(tmp_path, with_table(**{key: wrong}))
    assert errors
    assert all(len(message) < 200 for _, message, _ in errors)


@pytest.mark.parametrize("key", TableSpec.model_fields)
def test_an_empty_table_key_is_as_if_it_were_not_there(tmp_path: Path, key: str) -> None:
    plain = with_table(**{key: None})
    if key == "ingest":
        plain["tables"]["bronze.a"]["sql"] = "SELECT '{{ data_interval_start }}' AS at"
    table = load(tmp_path, plain).tables["bronze.a"]
    # What the layer does is filled in.
    assert getattr(table, key) == (WriteSpec(strategy="append") if key == "write" else None)


def test_the_arguments_of_airflow_are_those_of_the_language() -> None:
    named = (
        "retries", "retry_delay", "retry_exponential_backoff", "max_retry_delay", "execution_timeout", "pool",
        "pool_slots", "priority_weight", "queue", "trigger_rule",
    )  # fmt: skip
    assert set(named) <= set(TASK_ARGUMENTS)


def test_an_escaped_dollar_is_a_dollar(tmp_path: Path) -> None:
    (tmp_path / "q.sql").write_text("SELECT '$${x}' AS a")
    plain = {
        "pipeline": "p",
        "description": "$${x} costs $5",
        "tables": {"gold.a": {"sql": "SELECT '$${x}' AS a"}, "gold.b": {"sql_file": "q.sql"}},
    }
    spec = load(tmp_path, plain)
    assert spec.keys.description == "${x} costs $5"
    assert spec.tables["gold.a"].sql == spec.tables["gold.b"].sql == "SELECT '${x}' AS a"


CHECKS: list[Any] = [
    "row_count > 0",
    "row_count between 1 and 10",
    "row_count same as raw.b",
    "missing_count(id) = 0",
    "missing_percent(id) < 5%",
    "duplicate_count(id, day) = 0",
    "min(price) >= 0",
    "avg_length(name) > 3",
    "freshness(at) < 1d",
    "values in (id) must exist in raw.b (id)",
    {"invalid_count(country) = 0": {"valid values": ["de", "fr"]}},
    {"row_count": {"warn": "when < 5", "fail": "when < 1"}},
    {"schema": {"fail": {"when required column missing": ["id"]}}},
    {"failed rows": {"fail condition": "price < 0", "on_fail": "skip_publish", "on_error": "warn"}},
    {"failed rows": {"fail query": "SELECT * FROM raw.b JOIN bronze.a"}},
    {"spread < 5": {"spread expression": "stddev(price)"}},
    {"orphans = 0": {"orphans query": "SELECT count(*) FROM raw.b"}},
    {"group by": {"query": "SELECT 1 AS x FROM raw.b", "fields": ["x"], "checks": ["x = 1"]}},
    {"max(price) < 5": None},
    {"max(price) < {{ params.limit }}": {"on_fail": "warn"}},
]


def test_checks_of_every_shape_are_taken(tmp_path: Path) -> None:
    spec = load(tmp_path, {**with_table(checks=CHECKS), "external": ["raw.b"]})
    assert spec.tables["bronze.a"].checks == CHECKS


@pytest.mark.parametrize(
    "check",
    [
        "row_count same as raw.b",
        "values in (id) must exist in `raw`.`b` (id)",
        {"values in (a, b) must not exist in raw.b (c, d)": {"samples limit": 0}},
        {"failed rows": {"fail query": "SELECT * FROM bronze.a JOIN raw.b"}},
        {"orphans = 0": {"orphans query": "SELECT count(*) FROM raw.b"}},
    ],
)
def test_a_table_that_a_check_names_is_an_input(tmp_path: Path, check: Any) -> None:
    spec = load(tmp_path, {**with_table(checks=[check]), "external": ["raw.b"]})
    assert spec.inputs["bronze.a"] == ("raw.b",)
    assert spec.upstream["bronze.a"] == ()

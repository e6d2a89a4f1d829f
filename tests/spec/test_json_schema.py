"""The JSON Schema of specs and of ``lake.yaml``: it is the models', takes what is good, refuses what is misshapen."""

from __future__ import annotations

import inspect
import json
import os
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

import airflow_lake_provider.spec
from airflow_lake_provider.engines import get_engine
from airflow_lake_provider.engines.registry import _COLLABORATORS, _ENGINES
from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec import Diagnostic, load_project, load_spec
from airflow_lake_provider.spec import table as words
from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.engine_keys import ENGINE_KEYS
from airflow_lake_provider.spec.json_schema import (
    LAKE,
    PIPELINE,
    WholeSpec,
    committed_schema,
    lake_schema,
    pipeline_schema,
    schema_text,
)
from airflow_lake_provider.spec.lake import engine_config
from airflow_lake_provider.spec.lake_keys import CatalogKeys, EngineKeys, EnvironmentKeys, LakeKeys, ProfileKeys
from airflow_lake_provider.spec.source import Source, read_source

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (Path(airflow_lake_provider.spec.__file__).parent / "schemas", ROOT / "dag_specs" / ".lake-schema")
SCHEMAS = {PIPELINE: pipeline_schema, LAKE: lake_schema}
ERRORS = Path(__file__).parent / "errors"


@cache
def validator(name: str) -> jsonschema.Draft7Validator:
    return jsonschema.Draft7Validator(json.loads(committed_schema(name)))


def faults(plain: Any, name: str = PIPELINE) -> list[str]:
    return [f"{error.json_path}: {error.message}" for error in validator(name).iter_errors(plain)]


def plain_of(path: Path) -> Any:
    """What an editor sees in a file: YAML by the same core schema as ours, duplicate keys and the like aside."""
    root, _ = compose(read_source(path))
    assert root is not None
    return root.plain()


@pytest.mark.parametrize("folder", FOLDERS, ids=["package", "dag_specs"])
@pytest.mark.parametrize("name", SCHEMAS)
def test_the_committed_schema_is_the_one_of_the_models(name: str, folder: Path) -> None:
    made = schema_text(SCHEMAS[name]())
    if os.environ.get("LAKE_GOLDEN") == "write":
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(made, encoding="utf-8")
    assert (folder / name).read_text(encoding="utf-8") == made, "run make golden and review the difference"


@pytest.mark.parametrize("name", SCHEMAS)
def test_it_is_a_schema(name: str) -> None:
    jsonschema.Draft7Validator.check_schema(json.loads(committed_schema(name)))


# Examples -------------------------------------------------------------------------------------------------------------

HEAD: dict[str, Any] = {"pipeline": "example", "external": ["bronze.orders", "bronze.customers", "crm.customers"]}
SILVER = {"sql": "SELECT * FROM bronze.orders", "unique_key": "order_id"}
INTERVAL = {"schedule": "@daily", "start_date": "2020-01-01"}
LAKE_YAML = {"environments": {"prod": {"engines": {"heavy": {"type": "local"}}}}}
FILES = {
    "queries/orders.sql": "SELECT * FROM bronze.orders",
    "transforms.py": "def clean_orders(bronze__orders):\n    return bronze__orders\n",
    "_base.yaml": "description: what specs share\n",
}


def spec_of(keys: dict[str, Any], name: str = "silver.orders") -> dict[str, Any]:
    return {**HEAD, **INTERVAL, "tables": {name: keys}}


def ingest(keys: dict[str, Any], **more: Any) -> dict[str, Any]:
    external = [table for table in HEAD["external"] if table != "bronze.orders"]
    return {**spec_of({"ingest": {"files": "orders.csv", **keys}, **more}, "bronze.orders"), "external": external}


def with_table_key(key: str, value: Any) -> dict[str, Any]:
    base = {"unique_key": "order_id"} if key in words.SOURCES else SILVER
    return spec_of({**base, "engine": "heavy", key: value} | ({"engine": value} if key == "engine" else {}))


def with_pipeline_key(key: str, value: Any) -> dict[str, Any]:
    if key == "tables":
        return ingest({})
    if key == "external":
        return {**ingest({}), key: value}
    return {**spec_of(SILVER), key: value}


SPECS: dict[type[BaseModel], Any] = {
    WholeSpec: with_pipeline_key,
    words.TableSpec: with_table_key,
    words.LayerKeys: lambda key, value: {**spec_of(SILVER), "layers": {"staging": {key: value}}},
    words.DefaultKeys: lambda key, value: {**spec_of(SILVER), "defaults": {key: value}},
    words.IngestSpec: lambda key, value: ingest({key: value}),
    words.ColumnSpec: lambda key, value: ingest({}, columns={"amount": {"type": "int", key: value}}),
    words.WriteSpec: lambda key, value: spec_of({**SILVER, "write": {"strategy": "merge", key: value}}),
    words.QuarantineSpec: lambda key, value: spec_of({**SILVER, "quarantine": {key: value}}),
}
LAKES: dict[type[BaseModel], Any] = {
    LakeKeys: lambda key, value: {**LAKE_YAML, key: value},
    EnvironmentKeys: lambda key, value: {"environments": {"prod": {key: value}}},
    CatalogKeys: lambda key, value: {"environments": {"prod": {"catalog": {key: value}}}},
    EngineKeys: lambda key, value: {"environments": {"prod": {"engines": {"default": {key: value}}}}},
    ProfileKeys: lambda key, value: {"resource_profiles": {"own": {key: value}}},
}


def examples(*models: type[BaseModel]) -> list[Any]:
    return list(_examples(models))


def _examples(models: Iterable[type[BaseModel]]) -> Iterator[Any]:
    for model in models:
        for key, field in model.model_fields.items():
            for number, example in enumerate(field.examples or ()):
                yield pytest.param(model, key, example, id=f"{model.__name__}-{key}-{number}")


def shown_keys(model: type[BaseModel]) -> list[str]:
    return [key for key in model.model_fields if key in model.model_json_schema()["properties"]]


@pytest.mark.parametrize("model", [*SPECS, *LAKES, *ENGINE_KEYS.values()])
def test_every_key_is_described_and_has_an_example(model: type[BaseModel]) -> None:
    bare = [key for key in shown_keys(model) if not (model.model_fields[key].description or "").endswith(".")]
    assert bare == []
    assert [key for key in shown_keys(model) if not model.model_fields[key].examples] == []


@pytest.mark.parametrize(("model", "key", "example"), examples(*SPECS))
def test_an_example_is_right_by_schema_and_loader(
    tmp_path: Path, model: type[BaseModel], key: str, example: Any
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "lake.yaml").write_text(yaml.safe_dump(LAKE_YAML))
    spec = tmp_path / "example.yaml"
    spec.write_text(yaml.safe_dump(SPECS[model](key, example), sort_keys=False))
    assert faults(plain_of(spec)) == []
    load_spec(spec, environment=None if key == "environment" else "prod")


@pytest.mark.parametrize(("model", "key", "example"), examples(*LAKES))
def test_an_example_of_lake_yaml_is_right_by_schema_and_loader(
    tmp_path: Path, model: type[BaseModel], key: str, example: Any
) -> None:
    lake_yaml = tmp_path / "lake.yaml"
    lake_yaml.write_text(yaml.safe_dump(LAKES[model](key, example), sort_keys=False))
    assert faults(plain_of(lake_yaml), LAKE) == []
    project = load_project(tmp_path)
    assert [project.environment(name).name for name in project.environment_names]


# Engines --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["local", "spark_submit"])
def test_the_keys_of_an_engine_are_its_arguments(name: str) -> None:
    module, cls = _ENGINES[name]
    made = getattr(__import__(module, fromlist=[cls]), cls)
    arguments = [word for word in inspect.signature(made).parameters if word not in _COLLABORATORS]
    assert sorted(ENGINE_KEYS[name].model_fields) == sorted({"type", "deferrable", "poll_interval", *arguments})


@pytest.mark.parametrize(
    ("model", "key", "example"), examples(*(model for name, model in ENGINE_KEYS.items() if name != "in_memory"))
)
def test_an_example_of_an_engine_makes_one(model: type[BaseModel], key: str, example: Any) -> None:
    name = next(name for name, keys in ENGINE_KEYS.items() if keys is model)
    keys = {"type": name, **({"master": "yarn"} if name == "spark_submit" and key != "conn_id" else {}), key: example}
    assert faults({"environments": {"prod": {"engines": {"default": keys}}}}, LAKE) == []
    own = {word: value for word, value in keys.items() if word != "type"}
    assert get_engine(name, engine_config(name, own).options).name == name


@pytest.mark.parametrize("name", ["local", "spark_submit"])
def test_an_unknown_key_of_an_engine_is_marked(name: str) -> None:
    keys = {"type": name, "masterr": "yarn"}
    (fault,) = faults({"environments": {"prod": {"engines": {"default": keys}}}}, LAKE)
    assert "masterr" in fault


def test_numbers_of_an_engine_s_maps_become_text(tmp_path: Path) -> None:
    keys = {"type": "local", "spark_conf": {"spark.task.maxFailures": 1, "spark.ui.enabled": False}, "env": {"N": 2}}
    (tmp_path / "lake.yaml").write_text(yaml.safe_dump({"environments": {"prod": {"engines": {"default": keys}}}}))
    options = load_project(tmp_path).environment("prod").engines["default"].options
    assert options == {"spark_conf": {"spark.task.maxFailures": "1", "spark.ui.enabled": "false"}, "env": {"N": "2"}}


@pytest.mark.parametrize(("key", "value"), [("env", {"N": None}), ("env", ["N=2"]), ("spark_conf", {"a": {"b": 1}})])
def test_an_engine_s_map_of_another_shape_is_located(tmp_path: Path, key: str, value: Any) -> None:
    keys = {"type": "spark_submit", "master": "yarn", key: value}
    text = yaml.safe_dump({"environments": {"prod": {"engines": {"default": keys}}}})
    (tmp_path / "lake.yaml").write_text(text)
    with pytest.raises(SpecError) as caught:
        load_project(tmp_path)
    (found,) = caught.value.diagnostics
    assert isinstance(found, Diagnostic)
    assert found.code == "wrong-type"
    assert text.splitlines()[found.line - 1].split(":")[0].strip(" -") in (key, *value)
    assert faults(yaml.safe_load(text), LAKE)


# Good ones ------------------------------------------------------------------------------------------------------------

FENCE = re.compile(r"^```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
GOOD = [*(ROOT / "dag_specs").glob("*.yaml"), *(ROOT / "tests" / "plan" / "outlines").glob("*.yaml")]


def documented() -> Iterator[Any]:
    for page in sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]):
        for number, match in enumerate(FENCE.finditer(page.read_text(encoding="utf-8"))):
            yield pytest.param(match[1], id=f"{page.stem}-{number}")


@pytest.mark.parametrize("path", GOOD, ids=lambda path: path.name)
def test_a_good_file_of_the_repository_fits(path: Path) -> None:
    assert faults(plain_of(path), LAKE if path.name == "lake.yaml" else PIPELINE) == []


@pytest.mark.parametrize("text", list(documented()))
def test_an_example_of_the_documentation_fits(text: str) -> None:
    root, _ = compose(Source("example.yaml", text))
    assert root is not None
    plain = root.plain()
    if set(plain) <= set(LakeKeys.model_fields):
        assert faults(plain, LAKE) == []
    elif all("." in name for name in plain):
        assert faults({"pipeline": "p", "tables": plain}) == []
    else:
        assert faults(plain) == []


T = {"ingest": {"files": "a.csv"}}
FORMS: dict[str, Any] = {
    "a variable for a number": {"max_active_runs": "${n}"},
    "a variable inside a duration": {"dagrun_timeout": "${hours}h"},
    "a variable for a list": {"tags": "${tags}"},
    "a variable for a whole table": {"tables": {"bronze.a": "${table}"}},
    "a variable in a list of names": {"tables": {"silver.a": {**T, "unique_key": ["${a}", "b"]}}},
    "a variable for a key": {"tables": {"silver.a": {**T, "spark_conf": {"${a}": 1}, "${b}": 1}}},
    "a variable for what a check does": {"tables": {"gold.a": {**T, "checks": [{"a > 1": {"on_fail": "${x}"}}]}}},
    "a variable among assets": {"schedule": {"any": ["${source}", {"all": ["silver.a", "s3://a/b"]}]}},
    "a template": {"tables": {"gold.a": {"sql": "SELECT '{{ ds }}' {% if x %} AS a {% endif %}"}}},
    "empty keys": {"tables": {"gold.a": {**T, "write": None, "checks": None, "retries": None}}, "schedule": None},
    "a column without a mapping": {"tables": {"gold.a": {**T, "columns": {"a": "int", "b": {"type": "int"}}}}},
    "a file that is extended": {"extends": "_base.yaml", "tables": {"gold.a": {"+checks": ["a > 1"]}}, "+tags": ["a"]},
    "a layer of its own without keys": {"layers": {"raw": None}},
    "a preset's other name": {"schedule": "@midnight"},
    "a cron of six fields": {"schedule": "0 30 6 * * 1-5"},
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_that_people_may_write_fits(name: str) -> None:
    assert faults({"pipeline": "p", "tables": {"bronze.b": T}, **FORMS[name]}) == []


def test_a_spec_that_extends_a_file_may_leave_out_what_is_there() -> None:
    assert faults({"extends": "_base.yaml", "tables": {"bronze.a": {"ingest": {"recursive": True}}}}) == []
    assert len(faults({"pipeline": "p", "tables": {"bronze.a": {"ingest": {"recursive": True}}}})) == 1


def test_a_file_that_specs_extend_may_hold_any_part_of_one() -> None:
    assert faults({"timezone": "UTC", "tables": {"bronze.a": {"ingest": {"recursive": True}}}}) == []
    assert len(faults({"timezone": "UTC", "tables": {"bronze.a": {"ingest": {"recursiv": True}}}})) == 1


# Bad ones -------------------------------------------------------------------------------------------------------------

STRUCTURAL = {"unknown-key", "wrong-type", "table-name", "duration", "pipeline-id", "identifier", "fraction"}
"""What a schema can tell; other mistakes are in the text of a value, or concern several keys."""


def structural() -> Iterator[str]:
    for spec in sorted(ERRORS.glob("*.yaml")):
        if "${" in spec.read_text(encoding="utf-8"):  # what a variable gives, an editor does not see
            continue
        places = spec.with_suffix(".places")
        codes = {line.partition(":")[0].partition("@")[0] for line in places.read_text().splitlines()}
        if codes & STRUCTURAL:
            yield places.stem


@pytest.mark.parametrize("name", list(structural()))
def test_a_misshapen_spec_is_refused(name: str) -> None:
    root, _ = compose(read_source(ERRORS / f"{name}.yaml"))
    assert root is None or faults(root.plain())


MISTAKES: dict[str, Any] = {
    "an unknown key": {"schedul": "@daily"},
    "a key of a table at the root": {"unique_key": "a"},
    "a key to come": {"tables": {"gold.a": {**T, "incremental": "bronze.a"}}},
    "a strategy to come": {"tables": {"gold.a": {**T, "write": "scd2"}}},
    "an option to come": {"tables": {"gold.a": {**T, "write": {"strategy": "merge", "valid_from": "a"}}}},
    "no tables": {"tables": {}},
    "no source": {"tables": {"gold.a": {"unique_key": "a"}}},
    "a bare table name": {"tables": {"orders": T}},
    "a word for a number": {"max_active_runs": "many"},
    "a fraction for a number": {"max_active_runs": 1.5},
    "a number for a duration": {"dagrun_timeout": 300},
    "a duration without a unit": {"dagrun_timeout": "300"},
    "text for a switch": {"catchup": "yes"},
    "a schedule that is none": {"schedule": "daily"},
    "two words of assets": {"schedule": {"any": ["a.b"], "all": ["a.b"]}},
    "a column without a type": {"tables": {"gold.a": {**T, "columns": {"a": {"nullable": True}}}}},
    "a check of two keys": {"tables": {"gold.a": {**T, "checks": [{"a > 1": None, "b > 1": None}]}}},
    "an appended list without a parent": {"+tags": ["a"]},
    "what is internal": {"tables": {"gold.a": {**T, "quarantine": {"enabled": True}}}},
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_refused_by_the_schema_as_by_the_loader(tmp_path: Path, name: str) -> None:
    plain = {"pipeline": "p", "tables": {"bronze.b": T}, **MISTAKES[name]}
    assert faults(plain)
    spec = tmp_path / "spec.yaml"
    spec.write_text(yaml.safe_dump(plain, sort_keys=False))
    with pytest.raises(SpecError) as caught:
        load_spec(spec)
    assert any(isinstance(each, Diagnostic) and each.is_error for each in caught.value.diagnostics)

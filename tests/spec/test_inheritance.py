"""What a spec takes from elsewhere: extended files, variables, defaults, layers, environments, profiles."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.exceptions import SpecError, UnknownName
from airflow_lake_provider.plan import PipelinePlan, plan_pipeline, platform_settings, table_request


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("LAKE_ENV", "LAKE_HOME", "BUCKET"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(files: dict[str, str], **how: Any) -> PipelinePlan:
    """Write the files of a project and plan its ``spec.yaml``."""
    for name, text in files.items():
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(text, encoding="utf-8")
    spec = "specs/spec.yaml" if "specs/spec.yaml" in files else "spec.yaml"
    return plan_pipeline(Path(spec), **how)


# extends --------------------------------------------------------------------------------------------------------------


def test_maps_merge_lists_replace_and_a_plus_appends() -> None:
    found = plan({
        "base.yaml": """\
owner: base
tags: [one]
params: {a: 1, b: {c: 2, d: 3}}
tables:
  gold.a:
    sql: SELECT 1 AS one
    retries: 1
    tags: [x]
    partition_by: [one]
    properties: {a: "1", b: "2"}
  gold.b: {sql: SELECT 1 AS one}
""",
        "spec.yaml": """\
pipeline: p
extends: base.yaml
+tags: [two]
params: {b: {d: 4}}
tables:
  gold.a:
    retries: 2
    tags: [y]
    +partition_by: ["bucket(2, two)"]
    properties: {b: null, c: "3"}
""",
    })  # fmt: skip
    assert found.dag_arguments == {"owner": "base", "tags": ["one", "two"], "params": {"a": 1, "b": {"c": 2, "d": 4}}}
    table = found.table("gold.a")
    assert table.task_arguments["retries"] == 2
    assert table.settings["tags"] == ["y"]
    assert table.settings["partition_by"] == ["one", "bucket(2, two)"]
    assert table.settings["properties"] == {"a": "1", "c": "3"}
    assert [each.table for each in found.tables] == ["gold.a", "gold.b"]


def test_a_chain_of_files_the_nearest_counts() -> None:
    found = plan({
        "far/c.yaml": "owner: c\ntags: [c]\ndescription: c\n",
        "far/b.yaml": "extends: c.yaml\nowner: b\n+tags: [b]\n",
        "specs/spec.yaml": "pipeline: p\nextends: ../far/b.yaml\n+tags: a\ntables:\n  gold.a: {sql: SELECT 1 AS one}\n",
        "lake.yaml": "",
    })  # fmt: skip
    assert found.dag_arguments == {"owner": "b", "tags": ["c", "b", "a"]}
    assert found.description == "c"


def test_paths_are_relative_to_the_file_that_names_them() -> None:
    files = {
        "lake.yaml": "",
        "shared/base.yaml": "tables:\n  gold.a: {sql_file: q.sql}\n  gold.b: {python: 'build.py:b'}\n",
        "shared/q.sql": "SELECT 1 AS shared",
        "shared/build.py": "def b(gold__a):\n    return gold__a\n",
        "specs/spec.yaml": "pipeline: p\nextends: ../shared/base.yaml\ntables:\n  gold.c: {sql_file: q.sql}\n",
        "specs/q.sql": "SELECT 1 AS own",
    }
    found = plan(files)
    assert found.table("gold.a").settings["sql"] == "SELECT 1 AS shared"
    assert found.table("gold.c").settings["sql"] == "SELECT 1 AS own"
    assert found.table("gold.b").folder.samefile("shared")


# variables ------------------------------------------------------------------------------------------------------------

SPEC_OF_VARIABLES = """\
pipeline: p
variables:
  n: 3
  on: true
  tags: [a, b]
  part: 5
  nothing:
  day: "2026-01-01"
start_date: ${day}
catchup: ${on}
description: ${part} of $${part}, ${nothing:-else}
tags: ${tags}
tables:
  gold.a:
    sql: SELECT ${part} AS n, '${day}' AS day
    retries: ${n}
    retry_delay: ${n}m
    pool_slots: "${n}"
    pool: pool_${n}
"""


def test_a_whole_scalar_takes_the_type_and_inside_a_text_it_is_text() -> None:
    found = plan({"spec.yaml": SPEC_OF_VARIABLES})
    table = found.table("gold.a")
    assert table.task_arguments == {
        "retries": 3, "retry_delay": timedelta(minutes=3), "pool_slots": 3, "pool": "pool_3",
    }  # fmt: skip
    assert table.settings["sql"] == "SELECT 5 AS n, '2026-01-01' AS day"
    assert (found.catchup, found.dag_arguments["tags"]) == (True, ["a", "b"])
    assert found.description == "5 of ${part}, else"
    assert found.start_date is not None
    assert found.start_date.isoformat() == "2026-01-01T00:00:00+00:00"


def test_the_environment_gives_values_and_set_gives_them_last() -> None:
    lake = "environments:\n  local: {variables: {n: 7}}\n  prod: {variables: {n: 9, unknown_here: 1}}\n"
    files = {"spec.yaml": SPEC_OF_VARIABLES, "lake.yaml": lake}
    assert plan(files).table("gold.a").task_arguments["retries"] == 7
    assert plan(files, environment="prod").table("gold.a").task_arguments["retries"] == 9
    found = plan(files, environment="prod", overrides=["variables.n=2", "tables.gold.a.pool=mine"])
    assert found.table("gold.a").task_arguments["retries"] == 2
    assert found.table("gold.a").task_arguments["pool"] == "mine"


def test_declared_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "lake.yaml": "environments: {local: {env: [BUCKET], base_path: 's3://${env.BUCKET:-none}/data'}}\n",
        "spec.yaml": "pipeline: p\nvariables: {where: '${env.BUCKET:-nowhere}'}\ntables:\n  bronze.a:\n"
        "    ingest: {files: '${where}/*.csv'}\n    retries: ${env.BUCKET:-4}\n",
    }
    found = plan(files)
    assert found.table("bronze.a").settings["ingest"]["files"] == ["nowhere/*.csv"]
    assert found.table("bronze.a").task_arguments["retries"] == 4
    assert found.environment.base_path == "s3://none/data"
    monkeypatch.setenv("BUCKET", "6")
    found = plan(files)
    assert found.table("bronze.a").settings["ingest"]["files"] == ["6/*.csv"]
    assert found.table("bronze.a").task_arguments["retries"] == 6
    assert found.environment.base_path == "s3://6/data"


def test_what_a_variable_holds_is_never_looked_at_again() -> None:
    found = plan({
        "spec.yaml": "pipeline: p\nvariables: {a: '$${b}', b: 1}\ndescription: ${a}\ntables:\n"
        "  gold.a: {sql: SELECT 1 AS one}\n"
    })  # fmt: skip
    assert found.description == "${b}"


# defaults and layers --------------------------------------------------------------------------------------------------

LEVELS = {
    "lake.yaml defaults": ("defaults: {retries: 1}\n", "", "", ""),
    "lake.yaml layer": ("defaults: {retries: 9}\nlayers: {gold: {retries: 1}}\n", "", "", ""),
    "spec defaults": ("defaults: {retries: 9}\n", "defaults: {retries: 1}\n", "", ""),
    "spec layer": (
        "defaults: {retries: 9}\nlayers: {gold: {retries: 9}}\n",
        "defaults: {retries: 9}\n",
        "layers: {gold: {retries: 1}}\n",
        "",
    ),
    "table": (
        "defaults: {retries: 9}\nlayers: {gold: {retries: 9}}\n",
        "defaults: {retries: 9}\n",
        "layers: {gold: {retries: 9}}\n",
        ", retries: 1",
    ),
    "lake.yaml layer over spec defaults": (
        "layers: {gold: {retries: 1}}\n", "defaults: {retries: 9}\n", "", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("level", LEVELS)
def test_the_nearest_level_wins(level: str) -> None:
    lake, defaults, layers, own = LEVELS[level]
    spec = f"pipeline: p\n{defaults}{layers}tables:\n  gold.a: {{sql: SELECT 1 AS one{own}}}\n"
    assert plan({"lake.yaml": lake, "spec.yaml": spec}).table("gold.a").task_arguments["retries"] == 1


def test_maps_of_properties_merge_over_all_levels_and_other_maps_do_not() -> None:
    found = plan({
        "lake.yaml": "defaults:\n  properties: {a: lake, b: lake, c: lake}\n  columns: {x: int}\n"
        "  spark_conf: {spark.a: lake, spark.b: lake}\n  engine_options: {deep: {a: 1, b: 1}, wide: 1}\n",
        "spec.yaml": "pipeline: p\ndefaults:\n  properties: {b: spec, d: spec}\n"
        "layers: {gold: {engine_options: {deep: {b: 2}}}}\ntables:\n  gold.a:\n    sql: SELECT 1 AS one\n"
        "    columns: {one: int}\n    properties: {c: null, d: table}\n    spark_conf: {spark.b: null, spark.c: 1}\n"
        "    engine_options: {wide: null, deep: {c: 3}}\n",
    })  # fmt: skip
    settings = found.table("gold.a").settings
    assert settings["properties"] == {"a": "lake", "b": "spec", "d": "table"}
    assert list(settings["columns"]) == ["one"]
    conf, options = platform_settings(
        found.environment, spark_conf=settings["spark_conf"], engine_options=settings["engine_options"]
    )
    assert conf == {"spark.a": "lake", "spark.c": "1"}
    assert options == {"deep": {"a": 1, "b": 2, "c": 3}}


def test_a_chain_of_layers() -> None:
    found = plan({
        "lake.yaml": "layers:\n  landing: {like: bronze, retries: 1, pool: landing, queue: far}\n",
        "spec.yaml": "pipeline: p\nlayers:\n  raw: {like: landing, pool: raw}\n  mart: {like: Silver, unique_key: id}\n"
        "tables:\n  raw.a: {ingest: {files: a.csv}, queue: own}\n  mart.b: {sql: SELECT 1 AS id}\n",
    })  # fmt: skip
    raw = found.table("raw.a")
    assert raw.task_arguments == {"retries": 1, "pool": "raw", "queue": "own"}
    assert raw.settings["write"] == {"strategy": "append"}
    assert found.table("mart.b").settings["write"] == {"strategy": "merge"}
    assert found.table("mart.b").settings["unique_key"] == ["id"]


# environments ---------------------------------------------------------------------------------------------------------

ENVIRONMENTS = "default_environment: second\nenvironments: {first: {}, second: {}, third: {}, fourth: {}}\n"


def test_the_environment_is_chosen_in_this_order(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = "pipeline: p\ntables:\n  gold.a: {sql: SELECT 1 AS one}\n"
    assert plan({"spec.yaml": spec}).environment.name == "local"
    files = {"lake.yaml": ENVIRONMENTS, "spec.yaml": spec}
    assert plan(files).environment.name == "second"
    monkeypatch.setenv("LAKE_ENV", "third")
    assert plan(files).environment.name == "third"
    named = {**files, "spec.yaml": spec.replace("tables", "environment: first\ntables", 1)}
    assert plan(named).environment.name == "first"
    assert plan(named, environment="fourth").environment.name == "fourth"
    with pytest.raises(UnknownName, match="there is no environment `fifth`"):
        plan(named, environment="fifth")


def test_environments_are_laid_over_the_rest_of_lake_yaml() -> None:
    lake = """\
environments:
  local:
    variables: {retries: 1}
  prod:
    variables: {retries: 5, prefix: prod_}
    namespace_prefix: ${prefix}
    catalog: {name: prod, type: rest, uri: http://catalog, warehouse: w}
    engines: {default: {type: spark_submit, master: yarn}, small: {type: local}}
    spark_conf: {spark.a: env, spark.b: env}
    engine_options: {a: env}
resource_profiles:
  large: {executors: 9}
  mine: {driver_memory: 1g, executor_cores: 2, executors: 3, spark_conf: {spark.b: profile}, engine_options: {a: mine}}
defaults: {retries: "${retries}"}
"""
    spec = """\
pipeline: p
variables: {retries: 0}
tables:
  bronze.a: {ingest: {files: a.csv}, resource_profile: large}
  gold.b: {sql: SELECT * FROM bronze.a, resource_profile: mine, spark_conf: {spark.a: null, spark.c: own}}
  gold.c: {sql: SELECT 1 AS one, resource_profile: mine, spark_conf: {spark.b: null}}
"""
    files = {"lake.yaml": lake, "spec.yaml": spec}
    local, prod = plan(files), plan(files, environment="prod")
    assert [found.table("gold.b").task_arguments["retries"] for found in (local, prod)] == [1, 5]
    assert (prod.environment.catalog.name, prod.environment.catalog.namespace_prefix) == ("prod", "prod_")
    request = table_request("gold.b", prod.table("gold.b").settings, environment=prod.environment)
    assert "prod_bronze.a" in str(request.steps[0])

    def conf(found: PipelinePlan, table: str) -> tuple[dict[str, str], dict[str, Any]]:
        keys = {
            key: found.table(table).settings.get(key) for key in ("resource_profile", "spark_conf", "engine_options")
        }
        return platform_settings(found.environment, **keys)

    assert conf(local, "gold.b") == (
        {"spark.driver.memory": "1g", "spark.b": "profile", "spark.c": "own"},
        {"a": "mine"},
    )
    assert conf(prod, "gold.b") == (
        {
            "spark.b": "profile", "spark.c": "own", "spark.driver.memory": "1g", "spark.executor.cores": "2",
            "spark.executor.instances": "3", "spark.cores.max": "6",
        },
        {"a": "mine"},
    )  # fmt: skip
    assert conf(prod, "gold.c")[0].get("spark.b") is None
    assert conf(prod, "gold.c")[0]["spark.a"] == "env"
    large = conf(prod, "bronze.a")[0]
    assert (large["spark.executor.instances"], large["spark.executor.memory"]) == ("9", "8g")
    assert conf(local, "bronze.a")[0] == {"spark.driver.memory": "8g"}


def test_a_prefix_lies_before_the_layers_in_what_runs_only() -> None:
    files = {
        "lake.yaml": "environments: {dev: {namespace_prefix: dev_}}\n",
        "spec.yaml": "pipeline: p\ntables:\n  bronze.a: {ingest: {files: a.csv}}\n"
        "  gold.b: {sql: SELECT * FROM bronze.a}\n",
    }
    found = plan(files, environment="dev")
    assert [table.table for table in found.tables] == ["bronze.a", "gold.b"]
    assert found.table("gold.b").inputs == ("bronze.a",)
    request = table_request("gold.b", found.table("gold.b").settings, environment=found.environment)
    assert "dev_bronze" in str(request.steps[0])
    assert found.environment.catalog.namespace_prefix == "dev_"


def test_a_wrong_value_of_an_inherited_key_is_said_once() -> None:
    spec = "pipeline: p\ndefaults: {retries: many}\ntables:\n  gold.a: {sql: SELECT 1 AS one}\n"
    with pytest.raises(SpecError) as caught:
        plan({"spec.yaml": spec + "  gold.b: {sql: SELECT 1 AS one}\n"})
    assert [each.line for each in caught.value.diagnostics] == [2]

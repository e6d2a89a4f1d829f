"""The keys of ``lake.yaml``."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, StrictStr, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from airflow_lake_provider.spec.key import (
    Conf,
    FilledText,
    Identifier,
    Keys,
    Listed,
    MaybeEmpty,
    Options,
    Positive,
    ScalarText,
    Texts,
    key,
)
from airflow_lake_provider.spec.problem import bad, expected_one_of, show
from airflow_lake_provider.spec.table import DefaultKeys, LayerKeys
from airflow_lake_provider.spec.values import IDENTIFIER_FORM, MEMORY_FORM, read_memory, text_form

CATALOGS = ("sqlite", "hadoop", "jdbc", "rest", "hive")
_LATER_CATALOGS = ("glue",)
ENGINES = ("local", "spark_submit", "in_memory")
_LATER_ENGINES = ("glue", "emr_serverless")


def _one_of(what: str, known: tuple[str, ...], later: tuple[str, ...]) -> Any:
    def read(value: Any) -> Any:
        if value in later:
            raise bad("not-supported-yet", f"{what} type `{value}` is not supported yet", expected_one_of("", known))
        if value not in known:
            raise bad("wrong-value", f"the {what}'s `type` is {show(value)}", expected_one_of(str(value), known))
        return value

    return BeforeValidator(read)


def _prefix(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"(?:[A-Za-z_][A-Za-z0-9_]*)?", value):
        raise bad("identifier", f"`namespace_prefix` is {show(value)}", "expected letters, digits and `_`: `dev_`")
    return value


def _variable_name(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", value):
        raise bad("identifier", f"{show(value)} is not an environment variable's name", "expected such as `BUCKET`")
    return value


_Catalog = Annotated[str, _one_of("catalog", CATALOGS, _LATER_CATALOGS), WithJsonSchema({"enum": list(CATALOGS)})]
_Engine = Annotated[str, _one_of("engine", ENGINES, _LATER_ENGINES), WithJsonSchema({"enum": list(ENGINES)})]
_PREFIX_FORM = text_form("prefix", "^([A-Za-z_][A-Za-z0-9_]*)?$", "letters, digits and `_`: `dev_`")
_Prefix = Annotated[StrictStr, BeforeValidator(_prefix), WithJsonSchema(_PREFIX_FORM)]
_VariableName = Annotated[str, BeforeValidator(_variable_name), WithJsonSchema(IDENTIFIER_FORM)]
Memory = Annotated[str, BeforeValidator(read_memory), WithJsonSchema(MEMORY_FORM)]


class CatalogKeys(Keys):
    """``catalog`` of an environment; further keys pass to Iceberg as they are."""

    model_config = {**Keys.model_config, "extra": "allow"}
    __pydantic_extra__: dict[str, ScalarText] = Field(init=False)

    name: Identifier = key(
        "The catalog's name, in Spark and in the names of assets. Environments that share one Airflow need different "
        "ones.",
        "lake",
        default="lake",
    )
    type: _Catalog = key(
        "What keeps the tables' state: `sqlite`, the embedded one, `rest`, `jdbc`, `hive` or `hadoop`. Of the others, "
        "`rest`, `jdbc` and `hive` need `uri`, and `jdbc` and `hadoop` need `warehouse`.",
        "sqlite",
        default="sqlite",
    )
    warehouse: FilledText | None = key(
        "Where the tables lie: a folder or URI, from `base_path`; of a REST catalog also a mere name. By default "
        "`.lake/warehouse`, or what the catalog's server says.",
        "s3://acme-lake/warehouse",
    )


class EngineKeys(Keys):
    """One engine of an environment; further keys are the engine's own settings."""

    model_config = {**Keys.model_config, "extra": "allow"}

    type: _Engine = key(
        "Where Spark runs: `local`, on this machine; `spark_submit`, on any cluster that spark-submit reaches; "
        "`in_memory` runs nothing, for tests.",
        "local",
        default=...,
    )
    spark_conf: SkipJsonSchema[Texts | None] = None
    env: SkipJsonSchema[Texts | None] = None

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Let an editor know what each type takes; who only reads specs has no need of it."""
        from airflow_lake_provider.spec.engine_keys import ENGINE_KEYS

        made = handler(core_schema)
        handler.resolve_ref_schema(made)["allOf"] = [
            {
                "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
                "then": handler(model.__pydantic_core_schema__),
            }
            for name, model in ENGINE_KEYS.items()
        ]
        return made


class EnvironmentKeys(Keys):
    """One environment of ``lake.yaml``."""

    base_path: FilledText | None = key(
        "What relative data paths count from: a folder or a URI; by default the project's root.", "s3://acme-lake"
    )
    namespace_prefix: _Prefix = key(
        "Put before each layer in the catalog, so that environments share one: with `dev_`, `silver.orders` is "
        "`dev_silver.orders` there.",
        "dev_",
        default="",
    )
    catalog: CatalogKeys | None = key(
        "The Iceberg catalog; further keys pass to Iceberg as they are. By default the embedded one in `.lake/`.",
        {"type": "hadoop", "warehouse": "/data/lake/warehouse"},
        {"name": "lake", "type": "rest", "uri": "https://catalog.example/api", "warehouse": "acme"},
    )
    engines: dict[str, EngineKeys] | None = key(
        "The engines by the names that tables use. Tables that name none use `default`, which is `{type: local}` if it "
        "is not here.",
        {"default": {"type": "local"}, "heavy": {"type": "spark_submit", "master": "yarn", "deploy_mode": "cluster"}},
    )
    job_root: FilledText | None = key(
        "Where the job folders lie, with each job's request and report: a folder or a URI. By default `.lake/jobs`.",
        "s3://acme-lake/jobs",
    )
    variables: dict[str, Any] | None = key(
        "Values of variables in this environment, over the defaults in specs' `variables`; `lake.yaml` itself may use "
        "them as `${name}` too.",
        {"min_rows": 1000},
    )
    env: Listed[_VariableName] | None = key(
        "The environment variables that specs and `lake.yaml` may read, as `${env.NAME}`.", ["LANDING_BUCKET"]
    )
    spark_conf: Conf | None = key(
        "Spark properties of all jobs; profiles and tables go over them.", {"spark.sql.shuffle.partitions": 32}
    )
    engine_options: Options | None = key(
        "Settings of the platform for all jobs, passed as they are; profiles and tables go over them.",
        {"queue": "etl"},
    )


class ProfileKeys(Keys):
    """A resource profile: sizes, and the settings that go with them."""

    driver_memory: Memory | None = key("Memory of the driver; with the engine `local`, of all of Spark.", "4g")
    driver_cores: Positive | None = key("Cores of the driver.", 2)
    executor_memory: Memory | None = key("Memory of each executor.", "8g")
    executor_cores: Positive | None = key("Cores of each executor.", 4)
    executors: Positive | None = key("How many executors.", 3)
    spark_conf: Conf | None = key(
        "Spark properties that go with the sizes, over the environment's.", {"spark.memory.fraction": 0.7}
    )
    engine_options: Options | None = key(
        "Settings of the platform that go with the sizes, over the environment's.", {"queue": "heavy"}
    )


class LakeKeys(Keys):
    """``lake.yaml``."""

    default_environment: FilledText | None = key(
        "The environment to use where neither `--env`, the spec nor `LAKE_ENV` names one; by default `local`.", "prod"
    )
    environments: dict[str, MaybeEmpty[EnvironmentKeys]] | None = key(
        "Where tables live and jobs run, by names. `local` is always there.",
        {"local": {}, "prod": {"base_path": "s3://acme-lake", "job_root": "s3://acme-lake/jobs"}},
    )
    resource_profiles: dict[str, ProfileKeys] | None = key(
        "Sizes by name, over the built-in `small`, `medium`, `large` and `xlarge`.",
        {"large": {"driver_memory": "8g", "executor_memory": "16g", "executors": 6}},
    )
    defaults: DefaultKeys | None = key(
        "Table keys for all tables of the project; specs, layers and tables go over them.",
        {"retries": 2, "retry_delay": "1m"},
    )
    layers: dict[str, MaybeEmpty[LayerKeys]] | None = key(
        "Layers of the project's own, and table keys for all tables of a layer.",
        {"staging": {"like": "bronze", "retries": 5}},
    )

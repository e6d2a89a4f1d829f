"""The keys of a spec beside its tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, StrictBool, StrictStr, WithJsonSchema

from airflow_lake_provider.spec.key import (
    Count,
    Duration,
    FilledText,
    Keys,
    Listed,
    MaybeEmpty,
    Positive,
    TableName,
    Text,
    key,
)
from airflow_lake_provider.spec.schedule import SCHEDULE_FORM, AssetCondition, read_schedule
from airflow_lake_provider.spec.table import LayerKeys
from airflow_lake_provider.spec.values import (
    LINK_FORM,
    MOMENT_FORM,
    PIPELINE_FORM,
    TAG_FORM,
    read_link,
    read_moment,
    read_owner,
    read_pipeline_id,
    read_tag,
    read_timezone,
    text_form,
)

Tag = Annotated[FilledText, AfterValidator(read_tag), WithJsonSchema(TAG_FORM)]
Link = Annotated[FilledText, AfterValidator(read_link), WithJsonSchema(LINK_FORM)]
_Owner = Annotated[FilledText, AfterValidator(read_owner)]
Moment = Annotated[datetime, BeforeValidator(read_moment), WithJsonSchema(MOMENT_FORM)]
_PipelineId = Annotated[StrictStr, AfterValidator(read_pipeline_id), WithJsonSchema(PIPELINE_FORM)]
_Schedule = Annotated[
    str | timedelta | AssetCondition | None, BeforeValidator(read_schedule), WithJsonSchema(SCHEDULE_FORM)
]
_TimeZone = Annotated[
    str, BeforeValidator(read_timezone), WithJsonSchema(text_form("time zone", r"\S", "a name such as `Europe/Berlin`"))
]


class PipelineKeys(Keys):
    """The keys of a spec beside its tables; ``schedule`` is a cron, a preset, a duration, assets or nothing."""

    pipeline: _PipelineId = key(
        "The DAG's id, unique in the project: letters, digits, `_`, `-` and `.`, at most 250.", "orders", default=""
    )
    description: Text | None = key("What the pipeline is for, in one line.", "From the daily files to the turnover")
    doc: Text | None = key("Markdown for the DAG's page in Airflow.", "### Orders\nAsk *data-platform*.")
    schedule: _Schedule = key(
        "When runs start: a cron, a preset, a duration, updates of assets (`{assets: [...]}`, `{any: [...]}`, "
        "`{all: [...]}`), or never by itself (`null`, the default). A run of a cron, preset or duration has a real "
        "data interval and needs `start_date`.",
        "@daily",
        "30 6 * * 1-5",
        "6h",
        {"any": ["bronze.customers", "s3://acme-lake/landing/ready"]},
    )
    timezone: _TimeZone = key(
        "The IANA time zone of `schedule`, `start_date` and `end_date`.", "Europe/Berlin", default="UTC"
    )
    start_date: Moment | None = key(
        "The start of the first data interval, an ISO date or time; needed with a cron, preset or duration.",
        "2026-01-01",
    )
    end_date: Moment | None = key("After this moment no run is made.", "2026-12-31T18:00:00")
    catchup: StrictBool = key("Whether runs are made for the intervals since `start_date`.", True, default=False)
    max_active_runs: Positive = key("The most runs at one time.", 3, default=1)
    max_consecutive_failed_dag_runs: Count | None = key(
        "Airflow pauses the DAG after so many failed runs in a row; by default never.", 5
    )
    tags: Listed[Tag] | None = key("Words to find the DAG by in Airflow.", ["sales", "iceberg"], "sales")
    owner: FilledText | None = key("Who is responsible, as Airflow shows it.", "data-platform")
    owner_links: dict[_Owner, Link] | None = key(
        "Where the owners' names lead in Airflow's list of DAGs: the address of a page, or `mailto:`. Owners that no "
        "table has are left alone.",
        {"data-platform": "https://wiki.example.com/data-platform", "sales": "mailto:sales@example.com"},
    )
    params: dict[str, Any] | None = key(
        "Airflow's params with their defaults; templates read them as `{{ params.name }}`.", {"country": "DE"}
    )
    dagrun_timeout: Duration | None = key("The longest time that a run may take; by default no limit.", "4h")
    dag_display_name: FilledText | None = key("The name that Airflow shows instead of the id.", "Orders (daily)")
    environment: FilledText | None = key(
        "The environment of `lake.yaml` to use, unless `--env` names another; by default the chosen one.", "prod"
    )
    extends: FilledText | None = key(
        "A YAML file whose keys this one takes over. Mappings merge, lists replace, and `+key` appends to a list.",
        "_base.yaml",
    )
    variables: dict[str, Any] | None = key(
        "Names for `${name}` in this spec, with their defaults, which also say their type; `null` has none.",
        {"min_rows": 100, "country": "DE"},
    )
    layers: dict[str, MaybeEmpty[LayerKeys]] | None = key(
        "Layers of the spec's own, and table keys for all tables of a layer.",
        {"staging": {"like": "bronze", "retries": 5}},
    )
    external: Listed[TableName] | None = key(
        "Tables that somebody else writes and that may be read.", ["crm.customers"], "crm.customers"
    )

"""Keys that stand where they mean nothing, though they are keys elsewhere: where they belong."""

from __future__ import annotations

import re

from airflow_lake_provider.spec.column import ColumnSpec
from airflow_lake_provider.spec.ingest import IngestSpec
from airflow_lake_provider.spec.lake_keys import EnvironmentKeys, LakeKeys, ProfileKeys
from airflow_lake_provider.spec.pipeline_keys import PipelineKeys
from airflow_lake_provider.spec.table import TableSpec
from airflow_lake_provider.spec.write import WRITE_LATER, WriteSpec

_HOMES: dict[str, tuple[str, ...]] = {
    "a table, below its `layer.name`": tuple(TableSpec.model_fields),
    "the pipeline, beside `tables`": ("tables", "defaults", *PipelineKeys.model_fields),
    "`write`": (*WriteSpec.model_fields, *WRITE_LATER),
    "`ingest`": tuple(IngestSpec.model_fields),
    "a column": tuple(ColumnSpec.model_fields),
    "`quarantine`": ("table", "max"),
    "a check": ("on_fail", "on_error"),
    "an environment in lake.yaml": tuple(EnvironmentKeys.model_fields),
    "a resource profile in lake.yaml": tuple(ProfileKeys.model_fields),
    "lake.yaml": tuple(LakeKeys.model_fields),
}
_MOST = 2


def where_it_belongs(key: str) -> str:
    """Return the hint for a key that stands in a wrong place; nothing where it is a key nowhere.

    >>> where_it_belongs("sequence_by")
    '`sequence_by` is a key of `write`'
    """
    if re.fullmatch(r"\w+\.\w+", key):
        return f"a table such as `{key}` stands below `tables`"
    homes = [home for home, keys in _HOMES.items() if key in keys][:_MOST]
    return f"`{key}` is a key of {', or of '.join(homes)}" if homes else ""

"""``ingest``: files to take in."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, StrictBool, WithJsonSchema

from airflow_lake_provider.protocol import METADATA_COLUMNS
from airflow_lake_provider.spec.key import FilledList, FilledText, Keys, Positive, Texts, key, listed
from airflow_lake_provider.spec.problem import bad, expected_one_of, show

FORMATS = ("csv", "json", "parquet", "orc", "avro")


def _format(value: Any) -> Any:
    if value not in FORMATS:
        raise bad("wrong-value", f"`format` is {show(value)}", expected_one_of(str(value), FORMATS))
    return value


Format = Annotated[str, BeforeValidator(_format), WithJsonSchema({"enum": list(FORMATS)})]


def _metadata_columns(value: Any) -> Any:
    if isinstance(value, bool):
        return list(METADATA_COLUMNS) if value else []
    names = listed(value)
    if not isinstance(names, list):
        hint = "expected `true`, `false`, or a list of them"
        raise bad("wrong-type", f"`metadata_columns` is {show(value)}", hint)
    for number, name in enumerate(names):
        if name not in METADATA_COLUMNS:
            hint = expected_one_of(str(name), METADATA_COLUMNS)
            path = (number,) if isinstance(value, list) else ()
            raise bad("wrong-value", f"{show(name)} is no metadata column", hint, path=path)
    return [name for name in METADATA_COLUMNS if name in names]


_METADATA_COLUMN = {"enum": list(METADATA_COLUMNS)}
MetadataColumns = Annotated[
    list[str],
    BeforeValidator(_metadata_columns),
    WithJsonSchema({"anyOf": [{"type": "boolean"}, _METADATA_COLUMN, {"type": "array", "items": _METADATA_COLUMN}]}),
]


class IngestSpec(Keys):
    """Files to take in."""

    files: FilledList[FilledText] = key(
        "A path or globs of the files, from the environment's `base_path`; `**` crosses folders. With a template of "
        "the interval each run reads its own files, without one every file that is new.",
        "landing/orders/{{ data_interval_start | ds }}.csv",
        ["landing/eu/*.json", "landing/us/**/*.json"],
        default=...,
    )
    format: Format | None = key("The files' format; needed only where their ending does not tell it.", "parquet")
    options: Texts = key(
        "Options of Spark's reader, by its own names. CSV without `columns` gives text unless `inferSchema` is on.",
        {"header": True, "sep": ";"},
        default={},
    )
    recursive: StrictBool = key(
        "Whether a glob that names a folder means the files at any depth below it.", True, default=False
    )
    on_empty: Literal["succeed", "skip", "fail"] = key(
        "What a run without a new file does: end well, end as skipped, or fail.", "skip", default="succeed"
    )
    on_replaced: Literal["replace", "append", "fail"] = key(
        "What becomes of a file that came again under the same path with other content: its old rows go, they stay "
        "beside the new ones, or the run fails.",
        "append",
        default="replace",
    )
    metadata_columns: MetadataColumns = key(
        "Which of `_source_file`, `_ingested_at` and `_run_id` the table gets: all, none, or those of a list.",
        False,
        ["_source_file", "_ingested_at"],
        default=list(METADATA_COLUMNS),
    )
    files_per_run: Positive | None = key(
        "The most new files that one run takes in, the oldest first; by default all. Not with `write: replace`.", 500
    )

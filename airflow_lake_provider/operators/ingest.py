"""Files into a table, each file once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_lake_provider.operators.table import LakeTableOperator
from airflow_lake_provider.spec import Project


class LakeIngestOperator(LakeTableOperator):
    """Reads the files that the table has not taken in yet, and publishes them.

    .. code-block:: python

        LakeIngestOperator(
            task_id="bronze__orders",
            table="bronze.orders",
            files="landing/orders/{{ data_interval_start | ds }}.csv",
            options={"header": True},
        )

    :param table: ``layer.name``; further arguments in :class:`LakeTableOperator` and :class:`LakeOperator`.
    :param files: a path, or several globs; relative ones count from the environment's ``base_path``.
    :param format: csv, json or parquet; by default what the file ending says.
    :param options: options of Spark's reader.
    """

    template_fields: Sequence[str] = (*LakeTableOperator.template_fields, "files", "format", "options")
    source_fields = ("files", "format", "options")

    def __init__(
        self,
        *,
        table: str,
        files: str | Sequence[str],
        format: str | None = None,  # noqa: A002 - the spec's key
        options: Mapping[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(table=table, **kwargs)
        self.files = files
        self.format = format
        self.options = options

    def source_settings(self, project: Project, context: Any) -> Mapping[str, Any]:
        """Return the key ``ingest``."""
        ingest = {"files": self.files, "format": self.format, "options": self.options}
        return {"ingest": {key: value for key, value in ingest.items() if value is not None}}

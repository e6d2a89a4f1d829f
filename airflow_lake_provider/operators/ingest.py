"""Files into a table, each file once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.operators.table import LakeTableOperator
from airflow_lake_provider.spec import Project

if TYPE_CHECKING:
    from airflow.sdk import XComArg

_KEYS = ("files", "format", "options", "recursive", "on_empty", "on_replaced", "metadata_columns", "files_per_run")
_RESULT = re.compile(r"|None|\[\]|\[['\"].*['\"]\]|Lazy\w+\(.*\)", re.DOTALL)
"""What Python makes of a list, of nothing, and of a mapped task's results, when they have to be text."""


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
    :param files: a path or glob, or several, or another task's result; relative ones count from the
        environment's ``base_path``.
    :param format: csv, json, parquet, orc or avro; by default what the file ending says.
    :param options: options of Spark's reader.
    :param recursive: whether a glob that names a folder means the files at any depth below it.
    :param on_empty: what a run without a new file does: succeed, skip or fail.
    :param on_replaced: what a known path with other content does: replace its rows, append, or fail.
    :param metadata_columns: which of ``_source_file``, ``_ingested_at``, ``_run_id`` the table has; by default all.
    :param files_per_run: at most so many new files a run, the oldest first.
    """

    template_fields: Sequence[str] = (*LakeTableOperator.template_fields, *_KEYS)
    source_fields = ("files", "format", "options")

    def __init__(
        self,
        *,
        table: str,
        files: str | PathLike[str] | Sequence[str | PathLike[str]] | XComArg,
        format: str | None = None,  # noqa: A002 - the spec's key
        options: Mapping[str, Any] | None = None,
        recursive: bool | None = None,
        on_empty: str | None = None,
        on_replaced: str | None = None,
        metadata_columns: bool | Sequence[str] | None = None,
        files_per_run: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(table=table, **kwargs)
        self.files = files
        self.format = format
        self.options = options
        self.recursive = recursive
        self.on_empty = on_empty
        self.on_replaced = on_replaced
        self.metadata_columns = metadata_columns
        self.files_per_run = files_per_run

    def source_settings(self, project: Project, context: Any) -> Mapping[str, Any]:
        """Return the key ``ingest``."""
        self._check_files()
        ingest = {key: getattr(self, key) for key in _KEYS}
        return {"ingest": {key: value for key, value in ingest.items() if value is not None}}

    def _check_files(self) -> None:
        """Refuse what another task's result can become on its way here: as a pattern it would match no file."""
        files = [self.files] if isinstance(self.files, str) else self.files
        if isinstance(files, Iterator):
            raise SpecError(
                f"{self.task_id}: files is a {type(files).__name__}, which can be read once only; expected a list: "
                "files=list(...)."
            )
        if isinstance(files, Sequence) and not files:
            raise SpecError(
                f"{self.task_id}: files is empty: the task before found none. Skip this one then: map over the files "
                "(.expand), or put a @task.short_circuit before it."
            )
        for file in files if isinstance(files, Sequence) else ():
            if isinstance(file, str) and _RESULT.fullmatch(file.strip()):
                raise SpecError(
                    f"{self.task_id}: files is the text {file!r}: a template makes text of what a task gave. Hand over "
                    "the result itself (files=task.output, or files=my_task() in TaskFlow), or give the DAG "
                    "render_template_as_native_obj=True. 'None' is the result of a task that gave none."
                )

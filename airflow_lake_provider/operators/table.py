"""What the operators share that write a table: its contract, and the asset event of a publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from airflow_lake_provider.compat import AssetAlias, add_asset_event
from airflow_lake_provider.operators.asset import table_alias, table_asset
from airflow_lake_provider.operators.base import LakeOperator
from airflow_lake_provider.plan import table_request
from airflow_lake_provider.protocol import TableReport, TableRequest
from airflow_lake_provider.protocol.report import PUBLISHED
from airflow_lake_provider.spec import FULL_REFRESH, Environment, Project

_ROWS = ("rows_read", "rows_applied", "rows_unchanged", "rows_stale", "rows_quarantined", "rows_deduplicated")


class LakeTableOperator(LakeOperator):
    """Writes one table and publishes it atomically, or not at all.

    The outlet is ``AssetAlias("lake:<table>")``. It gets an event for the asset ``<catalog>.<namespace>.<name>``, with
    the snapshot id and the counts, when a snapshot was published, and only then.

    The keys are those of a spec, see the language reference.

    :param description: becomes the table's comment.
    :param columns: the contract: ``{name: type}`` or ``{name: {"type": ..., "nullable": ..., "rule": ...}}``.
    :param unique_key: a column, or several.
    :param partition_by: partition transforms such as ``day(ts)``.
    :param write: the name of a strategy, or a mapping with ``strategy`` and its options.
    :param checks: SodaCL checks; one that fails leaves the table as it was.
    :param quarantine: whether rows that break the contract are set aside, or fail the run.
    :param on_schema_change: ``fail``: a schema that differs from the contract fails the run.
    :param properties: Iceberg's table properties.
    :param depends_on: further tables that the table is made from.
    """

    template_fields: Sequence[str] = (
        *LakeOperator.template_fields,
        "description",
        "columns",
        "unique_key",
        "partition_by",
        "write",
        "checks",
        "quarantine",
        "on_schema_change",
        "properties",
        "depends_on",
    )

    inputs: Sequence[str] | None = None
    """The tables that it reads, where a plan knows them; without it the query says."""

    folder: Path | None = None
    """Where ``python`` is looked for first, where a plan knows it; without it the DAG file's folder."""

    def __init__(
        self,
        *,
        table: str,
        description: str | None = None,
        columns: Mapping[str, Any] | None = None,
        unique_key: str | Sequence[str] | None = None,
        partition_by: str | Sequence[str] | None = None,
        write: str | Mapping[str, Any] | None = None,
        checks: Sequence[Any] | None = None,
        quarantine: bool | Mapping[str, Any] | None = None,
        on_schema_change: str | None = None,
        properties: Mapping[str, str | None] | None = None,
        depends_on: Sequence[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(table=table, **kwargs)
        self.outlets = [*self.outlets, *_known_aliases(table)]
        self.description = description
        self.columns = columns
        self.unique_key = unique_key
        self.partition_by = partition_by
        self.write = write
        self.checks = checks
        self.quarantine = quarantine
        self.on_schema_change = on_schema_change
        self.properties = properties
        self.depends_on = depends_on

    def source_settings(self, project: Project, context: Any) -> Mapping[str, Any]:
        """Return the keys of the spec that say where the rows come from."""
        raise NotImplementedError

    def request(self, *, project: Project, environment: Environment, context: Any) -> TableRequest:
        """Return the request for the table, made as from a spec with the same keys."""
        settings = {
            "description": self.description,
            "columns": self.columns,
            "unique_key": self.unique_key,
            "partition_by": self.partition_by,
            "write": self.write,
            "checks": self.checks,
            "quarantine": self.quarantine,
            "on_schema_change": self.on_schema_change,
            "properties": self.properties,
            "depends_on": self.depends_on,
            **self.source_settings(project, context),
        }
        return table_request(
            self.table,
            {key: value for key, value in settings.items() if value is not None},
            environment=environment,
            inputs=self.inputs,
            names_interval=self._names_interval,
            full_refresh=str(context["params"].get(FULL_REFRESH)).lower() == "true",
            folder=self.folder or self.base_dir,
            writer=None if self._is_planned else _writer(context["ti"]),
        )

    def announce(self, context: Any, environment: Environment, table: TableReport, entry: Mapping[str, Any]) -> None:
        """Emit the asset event of a publish."""
        if table.status != PUBLISHED:
            return
        extra = {"snapshot_id": table.snapshot_id, **{count: entry[count] for count in _ROWS}}
        alias = table_alias(self.table)
        if alias not in self.outlets:
            self.outlets.append(alias)  # the table was not known before: Airflow looks at the outlets once more
        add_asset_event(context, alias, table_asset(environment, self.table), extra)

    @property
    def _is_planned(self) -> bool:
        """Whether a spec made the task: its table has no other."""
        return self.inputs is not None


def _known_aliases(table: Any) -> list[AssetAlias]:
    """Return the table's outlet; none where a template or another task will name the table, in the run."""
    return [table_alias(table)] if isinstance(table, str) and "{" not in table else []


def _writer(ti: Any) -> str:
    """Name the task that writes; the copies of a mapped task by their index too."""
    mapped = "" if ti.map_index is None or ti.map_index < 0 else f"[{ti.map_index}]"
    return f"{ti.dag_id}.{ti.task_id}{mapped}"

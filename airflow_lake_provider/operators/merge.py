"""Rows into a table by key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.operators.table import LakeTableOperator
from airflow_lake_provider.spec import Project

_TABLE = re.compile(r"\s*(`[^`]+`|[A-Za-z_]\w*)(\s*\.\s*(`[^`]+`|[A-Za-z_]\w*))*\s*")


class IcebergMergeOperator(LakeTableOperator):
    """Merges the rows of a table or a query into a table by key: known keys are updated, new ones inserted.

    .. code-block:: python

        IcebergMergeOperator(
            task_id="merge_customers",
            table="silver.customers",
            source="bronze.customers",
            unique_key="customer_id",
            sequence_by="updated_at",
        )

    :param table: ``layer.name``; further arguments in :class:`LakeTableOperator` and :class:`LakeOperator`.
    :param source: a table, or one SELECT in Spark's dialect.
    :param unique_key: the column, or columns, that tell rows apart.
    :param sequence_by: the column whose highest value is the newest row of a key; older arrivals never overwrite.
    """

    template_fields: Sequence[str] = (*LakeTableOperator.template_fields, "source", "sequence_by")
    template_fields_renderers = {"source": "sql"}
    source_fields = ("source",)

    def __init__(
        self,
        *,
        table: str,
        source: str,
        unique_key: str | Sequence[str],
        sequence_by: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(table=table, unique_key=unique_key, **kwargs)
        self.source = source
        self.sequence_by = sequence_by

    def source_settings(self, project: Project, context: Any) -> Mapping[str, Any]:
        """Return the keys ``sql`` and ``write``."""
        write = {"strategy": self.write} if isinstance(self.write, str) else dict(self.write or {})
        if write.setdefault("strategy", "merge") != "merge":
            raise SpecError(
                f"{self.task_id}: write.strategy is {write['strategy']!r}; expected 'merge' or nothing. "
                "LakeTransformOperator writes by the other strategies."
            )
        if self.sequence_by is not None:
            write["sequence_by"] = self.sequence_by
        query = f"SELECT * FROM {self.source}" if _TABLE.fullmatch(self.source) else self.source
        return {"sql": query, "write": write}

"""Checks on a table as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from airflow_lake_provider.operators.base import LakeOperator
from airflow_lake_provider.plan import check_request
from airflow_lake_provider.protocol import TableRequest
from airflow_lake_provider.spec import Environment, Project


class LakeQualityCheckOperator(LakeOperator):
    """Judges a published table. It writes nothing; a check that fails fails the task, without retry.

    .. code-block:: python

        LakeQualityCheckOperator(
            task_id="check_orders",
            table="silver.orders",
            checks=["row_count > 0", "duplicate_count(order_id) = 0"],
        )

    :param table: ``layer.name``; further arguments in :class:`LakeOperator`.
    :param checks: SodaCL checks.
    """

    template_fields: Sequence[str] = (*LakeOperator.template_fields, "checks")

    def __init__(self, *, table: str, checks: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(table=table, **kwargs)
        self.checks = checks

    def request(self, *, project: Project, environment: Environment, context: Any) -> TableRequest:
        """Return a request with nothing but the checks."""
        return check_request(self.table, self.checks, environment=environment)

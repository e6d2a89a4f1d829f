"""The button on the task's page that leads to its Spark run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_lake_provider.compat import BaseOperatorLink, BaseXCom

if TYPE_CHECKING:
    from airflow_lake_provider.compat import BaseOperator


class LakeRunLink(BaseOperatorLink):
    """Where the task's run can be watched: the platform's page, or the job folder where the platform has none.

    The operator stores the address right after the submit, so that the button works while the job runs.
    """

    name = "Lake run"
    key = "lake_run"
    """The XCom that holds the address; Airflow 3 reads it without this class, Airflow 2 by :meth:`get_link`."""

    @property
    def xcom_key(self) -> str:
        """The XCom that holds the address."""
        return self.key

    def get_link(self, operator: BaseOperator, *, ti_key: Any) -> str:
        """Return the address that the task run stored, or nothing when it has not submitted a job."""
        return str(BaseXCom.get_value(ti_key=ti_key, key=self.key) or "")

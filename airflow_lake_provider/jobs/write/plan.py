"""What a write is going to do, known and counted before anything is committed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Optional, Tuple


@dataclass(frozen=True)
class WritePlan:
    """``name`` is how it is written (``nothing`` where no row changes); ``commit`` writes it to the branch.

    The counts are of the batch's rows, see ``airflow_lake_provider.protocol.Rows``; ``warnings`` go to the report.
    """

    name: str
    rows_applied: int = 0
    rows_unchanged: int = 0
    rows_stale: int = 0
    commit: Optional[Callable[[], None]] = None
    warnings: Tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Whether there is anything to commit."""
        return self.commit is not None


def append_rows(rows: Any, branch: str) -> None:
    """Add rows to a branch, matched by column name.

    Spark knows the rows' columns as nullable; the contract has already set NULLs in required columns aside.
    """
    rows.writeTo(branch).option("check-nullability", "false").append()

"""Why a step of a job ended badly. The class's name is what a report shows as the error's type."""

from __future__ import annotations

from airflow_lake_provider.exceptions import LakeError


class StepError(LakeError):
    """Base of all errors a job raises on purpose; ``retryable`` says whether another try may do better as it is."""

    retryable = False


class SourceError(StepError):
    """The source cannot be read: files that contradict each other, a header that names a column twice, bad options."""


class SourceChanged(StepError):
    """Files went away while they were read; another try lists what is there then."""

    retryable = True

    @classmethod
    def gone(cls, file: str) -> SourceChanged:
        """Return the error of a file that was there when its folder was listed."""
        return cls(f"{file} was there when its folder was listed and is gone. Nothing was written; try again")


class FileReplaced(StepError):
    """A file that the table has taken in came again with other content, and its old rows are to stay or cannot go."""


class NoNewFile(StepError):
    """There is no file to take in and ``on_empty`` is fail; on a later try there may be one."""

    retryable = True


class CodeError(StepError):
    """The code of a Python transform cannot be had, or its function gives something else than one DataFrame."""


class FunctionFailed(StepError):
    """The function of a Python transform raised.

    :param retryable: false where the same code with the same tables raises again.
    """

    def __init__(self, message: str, *, retryable: bool) -> None:
        super().__init__(message)
        self.retryable = retryable


class ContractError(StepError):
    """The batch as a whole does not have the shape that the contract asks for; no single row is to blame."""


class SchemaChanged(StepError):
    """The contract, or the batch, differs from the existing table and the policy is to fail."""


class WriteOptionsError(StepError):
    """Options of the write contradict each other, or do not suit the table's source or columns."""


class DuplicateKeys(StepError):
    """Rows of one batch share their unique key, differ, and nothing says which is the newest."""


class QuarantineLimitExceeded(StepError):
    """More of the batch was rejected than the quarantine may take; nothing was published."""


class QuarantineDisabled(StepError):
    """A row was rejected and the table sets no rows aside; nothing was published."""


class LedgerLost(StepError):
    """The table was published by us before, and the ledger that says what it holds is gone."""


class PublishConflict(StepError):
    """Another writer moved the table, again and again, while this run was at work."""

    retryable = True

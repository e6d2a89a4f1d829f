"""Why a step of a job ended badly. The class's name is what a report shows as the error's type."""

from __future__ import annotations

from airflow_lake_provider.exceptions import LakeError


class StepError(LakeError):
    """Base of all errors a job raises on purpose; ``retryable`` says whether another try may do better as it is."""

    retryable = False


class SourceError(StepError):
    """The source cannot be read: files that contradict each other, a header that names a column twice, bad options."""


class ContractError(StepError):
    """The batch as a whole does not have the shape that the contract asks for; no single row is to blame."""


class SchemaChanged(StepError):
    """The contract, or the batch, differs from the existing table and the policy is to fail."""


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

"""What Airflow is told of a task that did not succeed: retry, failure, skip or time-out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence

from airflow_lake_provider.compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from airflow_lake_provider.exceptions import (
    EngineError,
    EngineNotAllowed,
    EngineNotInstalled,
    JobError,
    JobTimedOut,
    LakeError,
    ProtocolError,
    QualityCheckFailed,
    SpecError,
)
from airflow_lake_provider.protocol import TableReport


def airflow_exception(cause: LakeError | TableReport) -> BaseException:
    """Return what Airflow is to be told: the one place that decides between retry, failure and skip.

    :param cause: the error of the run; or the report of a table that was skipped.
    """
    if isinstance(cause, TableReport):
        return AirflowSkipException(f"{cause.table}: {'; '.join(cause.warnings) or 'nothing to do for this run'}")
    if isinstance(cause, JobTimedOut):
        return AirflowTaskTimeout(str(cause))
    lasting = isinstance(cause, QualityCheckFailed | SpecError | EngineNotAllowed | EngineNotInstalled | ProtocolError)
    if lasting or (isinstance(cause, JobError) and not cause.retryable):
        return AirflowFailException(str(cause))
    return AirflowException(str(cause))


@contextlib.contextmanager
def told_to_airflow(task_id: str) -> Iterator[None]:
    """Turn the package's errors into Airflow's."""
    try:
        yield
    except LakeError as exc:
        # The frames of this package say nothing to who reads the log: the message does.
        raise airflow_exception(exc) from exc.with_traceback(None)
    except OSError as exc:
        reason = EngineError(f"{task_id}: the project or its job folder cannot be read or written: {exc}")
        raise airflow_exception(reason) from exc.with_traceback(None)


def no_interval(task_id: str, fields: Sequence[str], run_id: str) -> SpecError:
    """Return the error of a template of the interval in a run that has none."""
    return SpecError(
        f"{task_id}: {', '.join(fields)} names the data interval, and the run {run_id} has none (it was started by "
        "assets, for a partition, or by hand in a DAG without a schedule in time). Nothing was submitted. "
        "Give the DAG a schedule in time, or take the template out."
    )

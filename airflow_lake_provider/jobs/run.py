"""One table of a request, from pinned inputs to a published snapshot.

The order is that of ``docs/explanation/what-a-kill-leaves.md``: nothing a reader of main can see happens before the one
commit that publishes, and whatever is left by a run that died before or after it is found by the next.
"""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any, Optional

from airflow_lake_provider.jobs import quarantine
from airflow_lake_provider.jobs.attempt import NOTHING_READ, Attempt
from airflow_lake_provider.jobs.audit import audit_only
from airflow_lake_provider.jobs.batch import DELETES, FILE, RAW, REASONS, Batch, deduplicate, materialise
from airflow_lake_provider.jobs.contract import Judged
from airflow_lake_provider.jobs.errors import PublishConflict
from airflow_lake_provider.jobs.faults import reached
from airflow_lake_provider.jobs.iceberg import PUBLISHED_TAG, IcebergTable, quoted
from airflow_lake_provider.jobs.inputs import Inputs, find_step, judge, no_rows_of, pin
from airflow_lake_provider.jobs.ledger import Ledger, read_ledger
from airflow_lake_provider.jobs.progress import say
from airflow_lake_provider.jobs.publish import check_rejected, publish, publish_nothing
from airflow_lake_provider.jobs.sources.intake import require_source_file, without_files
from airflow_lake_provider.jobs.sources.options import unknown_options
from airflow_lake_provider.jobs.sources.unreadable import naming_files
from airflow_lake_provider.jobs.tables import ensure_table
from airflow_lake_provider.jobs.write.options import check_columns, check_options, sequence_of
from airflow_lake_provider.protocol import JobRequest, Rows, TableReport, TableRequest, WriteStep
from airflow_lake_provider.protocol.report import NO_OP, SKIPPED

_ATTEMPTS = 10


def run_table(spark: Any, job: JobRequest, request: TableRequest) -> TableReport:
    """Run all steps of one table.

    Where another run publishes meanwhile, everything is done again from what is there then, a bounded number of times.

    :raises StepError: with what to do about it. Other exceptions are Spark's and Iceberg's own.
    """
    if find_step(request, WriteStep) is None:
        return audit_only(spark, job, request)
    for number in range(1, _ATTEMPTS + 1):
        try:
            return replace(_run(Attempt(spark, job, request)), attempts=number)
        except PublishConflict as conflict:
            if number == _ATTEMPTS:
                raise PublishConflict(
                    f"{conflict}; gave up after {number} attempts, each from a fresh start"
                ) from conflict
            say(f"{conflict}: starting again from there (attempt {number + 1} of {_ATTEMPTS})")
    raise AssertionError("unreachable")


def _run(attempt: Attempt) -> TableReport:
    spark, job, request = attempt.spark, attempt.job, attempt.request
    check_options(request, attempt.write)
    table = IcebergTable.find(spark, job.catalog, request.table)
    _recover(attempt, table)
    delivered = _published_earlier(attempt, table)
    if delivered is not None:
        return delivered
    ledger = read_ledger(table) if table is not None and not request.full_refresh else Ledger()
    head = table.head() if table is not None else None
    inputs = pin(spark, job, request, ledger)
    reached("read", request.table)
    empty = _without_files(attempt, ledger, inputs, head)
    if empty is not None:
        return empty
    if table is not None and _is_settled(attempt, ledger, inputs):
        return attempt.report(NO_OP, rows=NOTHING_READ, plan="nothing", inputs=inputs, snapshot_id=head)
    if table is not None and _sees_nothing(attempt, inputs):
        return _nothing_to_read(attempt, table, inputs)
    _check_files(attempt, table, inputs)
    judged = _judge(attempt, table, inputs)
    if judged is None:
        return _nothing_to_read(attempt, table, inputs)
    written = [name for name in judged.df.columns if name not in (DELETES, FILE, RAW, REASONS)]
    check_columns(attempt.write, written, table=request.table)
    with naming_files(spark, attempt.ingest, inputs.fresh):
        batch = materialise(judged.df)
    reached("judged", request.table)
    check_rejected(attempt, batch)
    batch = _deduplicated(attempt.write, batch, table=request.table)
    table = ensure_table(spark, request, batch.schema, catalog=job.catalog)
    if table.head() != head:
        raise attempt.lost()
    reached("table-ready", request.table)
    report = publish(attempt, table, ledger, inputs, batch, base=head)
    return replace(report, columns_left_out=judged.left_out, columns_missing=judged.missing)


def _recover(attempt: Attempt, table: Optional[IcebergTable]) -> None:
    """Settle what earlier runs left: first the pick that main names, then the branches of the dead."""
    spark, job, request = attempt.spark, attempt.job, attempt.request
    if table is not None:
        quarantine.finish_pick(spark, table, catalog=job.catalog)
    dead = [*job.submissions.dead, job.request_id]
    quarantine.drop_dead_refs(spark, request, dead, catalog=job.catalog)
    if table is not None:
        table.refresh()
    reached("recovered", request.table)


def _published_earlier(attempt: Attempt, table: Optional[IcebergTable]) -> Optional[TableReport]:
    """Return the report of an earlier start of this task run that published and could not tell anybody."""
    if table is None:
        return None
    undelivered = attempt.job.submissions.undelivered
    # A start of which nobody knows whether it happened is made again, under its own id.
    wanted = {*undelivered, attempt.job.request_id}
    last = table.head(PUBLISHED_TAG)
    for snapshot_id in table.ancestors(table.head()) if undelivered or last is None else (last,):
        summary = table.summary(snapshot_id)
        if summary.get("lake.request_id") in wanted:
            say(f"{attempt.request.table}: snapshot {snapshot_id} was published by an earlier start of this run")
            rows = json.loads(summary["lake.rows"])
            return attempt.report(
                summary["lake.status"],
                rows=Rows(**{**rows, "rows_written": int(summary.get("added-records", 0))}),
                plan=summary["lake.plan"],
                snapshot_id=snapshot_id,
            )
    return None


def _without_files(attempt: Attempt, ledger: Ledger, inputs: Inputs, head: Optional[int]) -> Optional[TableReport]:
    """Return the report of a run that ``on_empty`` skips, ``None`` where there is something to do.

    It says nothing about a run whose interval is in the ledger, nor about the last run without an interval: their
    files are in the table, and clearing a good run is no reason to skip or to fail.
    """
    step, last = attempt.ingest, ledger.intervals.get(attempt.ledger_key)
    if step is None or inputs.fresh:
        return None
    if last is not None and (attempt.interval or last.run_id == attempt.job.task.run_id):
        return None
    skips = without_files(step, table=attempt.request.table)
    if skips is None:
        return None
    attempt.warnings.append(skips)
    return attempt.report(SKIPPED, rows=NOTHING_READ, plan="nothing", inputs=inputs, snapshot_id=head)


def _is_settled(attempt: Attempt, ledger: Ledger, inputs: Inputs) -> bool:
    """Whether the ledger says that this run has nothing to do, before anything is read."""
    last = ledger.intervals.get(attempt.ledger_key)
    if last is None or attempt.request.full_refresh:
        return False
    same = last.fingerprint == inputs.fingerprint
    if attempt.ingest is not None and inputs.fresh and attempt.write.strategy != "replace":
        return False  # the ledger is per file: no interval is done while a file of it is not
    is_query = attempt.ingest is None
    if attempt.write.strategy == "append" and is_query and attempt.interval:
        if not same:
            attempt.warnings.append(
                f"interval {attempt.interval} was appended by run {last.run_id} already, from other inputs; an "
                "append never redoes an interval"
            )
        return True
    return same and inputs.repeatable


def _sees_nothing(attempt: Attempt, inputs: Inputs) -> bool:
    """Whether a table that its files replace has none to be replaced by: files that are gone withdraw nothing."""
    return (
        attempt.ingest is not None
        and not inputs.fresh
        and attempt.write.strategy == "replace"
        and not attempt.request.full_refresh
    )


def _nothing_to_read(attempt: Attempt, table: Optional[IcebergTable], inputs: Inputs) -> TableReport:
    """No new file, and no contract that says what the columns of an empty batch are."""
    if table is not None:
        return publish_nothing(attempt, table, inputs, rows=NOTHING_READ, plan="nothing", base=table.head())
    what = "no file that matched has columns" if inputs.fresh else "no file matched"
    attempt.warnings.append(f"{what} and there is no contract, so there is no table yet")
    return attempt.report(NO_OP, rows=NOTHING_READ, plan="nothing", inputs=inputs)


def _check_files(attempt: Attempt, table: Optional[IcebergTable], inputs: Inputs) -> None:
    """Say what the report should not hide about the files; see that the old rows of replaced ones can be found."""
    step = attempt.ingest
    if step is None:
        return
    attempt.warnings.extend(unknown_options(attempt.spark, step.format, step.options))
    if inputs.left:
        attempt.warnings.append(
            f"{inputs.left} new files are left for the next run, for files_per_run is {step.files_per_run}"
        )
    if table is not None and attempt.removes(inputs):
        rows = attempt.spark.table(quoted(table.identifier))
        require_source_file(step, rows, inputs.replaced, table=attempt.request.table)


def _judge(attempt: Attempt, table: Optional[IcebergTable], inputs: Inputs) -> Optional[Judged]:
    """Return the judged batch, ``None`` where nothing says what its columns are."""
    with naming_files(attempt.spark, attempt.ingest, inputs.fresh):
        judged = judge(attempt.spark, attempt.job, attempt.request, inputs, now=datetime.now(timezone.utc))
    if judged is None and table is not None and attempt.removes(inputs):
        return no_rows_of(attempt.spark, table)  # the replaced files are empty now, and their old rows go
    return judged


def _deduplicated(write: WriteStep, batch: Batch, *, table: str) -> Batch:
    if write.strategy == "append" or not write.unique_key:
        return batch
    sequence = sequence_of(write, batch.columns)
    return deduplicate(batch, unique_key=write.unique_key, sequence_by=sequence, table=table)

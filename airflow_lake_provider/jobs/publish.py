"""From a batch to a published snapshot: written to a branch, audited there, made the table's own in one commit."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Dict, Mapping, Optional

from airflow_lake_provider.jobs import quarantine
from airflow_lake_provider.jobs.attempt import Attempt, Outcome
from airflow_lake_provider.jobs.audit import audit
from airflow_lake_provider.jobs.batch import Batch
from airflow_lake_provider.jobs.errors import QuarantineLimitExceeded, StepError
from airflow_lake_provider.jobs.faults import reached
from airflow_lake_provider.jobs.iceberg import IcebergTable, stamped
from airflow_lake_provider.jobs.inputs import Inputs
from airflow_lake_provider.jobs.ledger import POINTER, Ledger, Publication, ledger_folder, write_delta
from airflow_lake_provider.jobs.quality import verdict
from airflow_lake_provider.jobs.tables import literal
from airflow_lake_provider.jobs.write import REBUILDS, STRATEGIES, WritePlan
from airflow_lake_provider.protocol import Rows, TableReport, to_plain
from airflow_lake_provider.protocol.report import FAILED, NO_OP, PUBLISHED, SKIP_PUBLISH

_PATHS_A_DELETE = 500


def publish(
    attempt: Attempt, table: IcebergTable, ledger: Ledger, inputs: Inputs, batch: Batch, *, base: Optional[int]
) -> TableReport:
    """Write the batch to a branch and publish it, unless a check says otherwise or no row changes.

    :param base: main's head when the inputs were pinned.
    :raises PublishConflict: main is another one by now.
    """
    name = attempt.request.table
    if table.create_branch(attempt.branch) != base:
        raise attempt.lost()
    reached("branch-created", name)
    planners = REBUILDS if attempt.request.full_refresh else STRATEGIES
    plan = planners[attempt.write.strategy](attempt.spark, batch, attempt.write, table.branch(attempt.branch))
    attempt.warnings.extend(plan.warnings)
    removes = attempt.removes(inputs)
    rows = _rows(batch, plan, name)
    changes = plan.changes or removes
    stamps = _stamps(attempt, inputs, rows, plan, status=PUBLISHED if changes else NO_OP)
    staged = _stage(attempt, batch, stamps=stamps)
    reached("quarantine-staged", name)
    unseen = any(ledger.files.get(path) != version for path, version in inputs.versions.items())
    if not changes and staged is None and not unseen and not attempt.request.full_refresh:
        return publish_nothing(attempt, table, inputs, rows=rows, plan=plan.name, base=base)
    pointer = write_delta(
        table,
        folder=ledger_folder(attempt.job.catalog, table),
        ledger=ledger,
        files=inputs.versions,
        interval=attempt.ledger_key,
        publication=Publication(inputs.fingerprint, attempt.job.request_id, attempt.job.task.run_id),
        start_anew=attempt.request.full_refresh,
    )
    reached("ledger-written", name)
    stamps[POINTER] = pointer.text()
    if staged is not None:
        stamps[quarantine.STAMP] = staged.text()
    with stamped(attempt.spark, stamps):
        _commit(attempt, table, inputs, plan, removes=removes)
    table.refresh()
    reached("branch-written", name)
    return _finish(attempt, table, inputs, plan, rows, _audit_and_publish(attempt, table, base, changes=changes))


def publish_nothing(
    attempt: Attempt, table: IcebergTable, inputs: Inputs, *, rows: Rows, plan: str, base: Optional[int]
) -> TableReport:
    """Commit nothing: the branch goes, and the checks judge the table as it is."""
    table.drop_refs([attempt.branch])
    checks = audit(attempt.spark, attempt.job, attempt.request, branch=None)
    status = FAILED if verdict(checks) == "fail" else NO_OP
    outcome = Outcome(snapshot_id=base, base=base, status=status, checks=checks)
    return attempt.report(status, rows=rows, plan=plan, inputs=inputs, snapshot_id=base, outcome=outcome)


def check_rejected(attempt: Attempt, batch: Batch) -> None:
    """See that the rejected rows may be set aside; where they are too many, show them on their branch and fail.

    :raises QuarantineDisabled: there are some, and none may be.
    :raises QuarantineLimitExceeded: they are too many.
    """
    try:
        quarantine.check_limit(attempt.request, batch)
    except QuarantineLimitExceeded as exc:
        staged = _stage(attempt, batch, stamps={"lake.request_id": attempt.job.request_id})
        where = quarantine.quarantine_table(attempt.request)
        shown = f"on branch '{attempt.branch}' of {where}" if staged is not None else f"in {where}"
        raise QuarantineLimitExceeded(f"{exc} The rejected rows are {shown}.") from exc


def _stage(attempt: Attempt, batch: Batch, *, stamps: Mapping[str, str]) -> Optional[quarantine.Staged]:
    job = attempt.job
    return quarantine.stage(
        attempt.spark,
        attempt.request,
        batch,
        catalog=job.catalog,
        request_id=job.request_id,
        run_id=job.task.run_id,
        interval_start=job.interval.start if job.interval is not None else None,
        stamps=stamps,
    )


def _commit(attempt: Attempt, table: IcebergTable, inputs: Inputs, plan: WritePlan, *, removes: bool) -> None:
    branch = table.branch(attempt.branch)
    if removes:
        for start in range(0, len(inputs.replaced), _PATHS_A_DELETE):
            paths = ", ".join(literal(path) for path in inputs.replaced[start : start + _PATHS_A_DELETE])
            attempt.spark.sql(f"DELETE FROM {branch} WHERE `_source_file` IN ({paths})")
    if plan.commit is not None:
        plan.commit()
    if not plan.changes and not removes:
        table.append_nothing(attempt.branch)


def _audit_and_publish(attempt: Attempt, table: IcebergTable, base: Optional[int], *, changes: bool) -> Outcome:
    head = table.head(attempt.branch)
    assert head is not None
    checks = audit(attempt.spark, attempt.job, attempt.request, branch=attempt.branch)
    reached("audited", attempt.request.table)
    word = verdict(checks)
    if word == "fail":
        return Outcome(snapshot_id=head, base=base, status=FAILED, checks=checks)
    if word == "skip_publish":
        return Outcome(snapshot_id=head, base=base, status=SKIP_PUBLISH, checks=checks)
    table.publish(branch=attempt.branch, snapshot_id=head)
    reached("published", attempt.request.table)
    return Outcome(snapshot_id=head, base=base, status=PUBLISHED if changes else NO_OP, checks=checks)


def _finish(
    attempt: Attempt, table: IcebergTable, inputs: Inputs, plan: WritePlan, rows: Rows, outcome: Outcome
) -> TableReport:
    """Bring the rejected rows home and report."""
    assert outcome.snapshot_id is not None
    spark, catalog, request = attempt.spark, attempt.job.catalog, attempt.request
    commits = table.commits(head=outcome.snapshot_id, base=outcome.base)
    written = [commit.added_records for commit in commits if commit.added_records is not None]
    rows = replace(rows, rows_written=sum(written))
    published = outcome.status in (PUBLISHED, NO_OP)
    quarantined: Optional[int] = None
    if published:
        quarantined = quarantine.finish_pick(spark, table, catalog=catalog)
        reached("quarantine-picked", request.table)
        quarantine.drop_dead_refs(spark, request, list(attempt.job.submissions.failed), catalog=catalog)
    report = attempt.report(
        outcome.status,
        rows=rows,
        plan=plan.name,
        inputs=inputs,
        snapshot_id=outcome.snapshot_id if published else outcome.base,
        outcome=outcome,
    )
    return replace(
        report,
        commits=commits,
        branch=None if published else attempt.branch,
        quarantine_table=quarantine.quarantine_table(request) if rows.rows_quarantined else None,
        quarantine_snapshot_id=quarantined,
    )


def _stamps(attempt: Attempt, inputs: Inputs, rows: Rows, plan: WritePlan, *, status: str) -> Dict[str, str]:
    """Return what each commit of this run carries in its summary, enough to answer for the run without it."""
    task = attempt.job.task
    return {
        "lake.request_id": attempt.job.request_id,
        "lake.dag_id": task.dag_id,
        "lake.run_id": task.run_id,
        "lake.task_id": task.task_id,
        "lake.interval": attempt.interval,
        "lake.fingerprint": inputs.fingerprint,
        "lake.strategy": attempt.write.strategy,
        "lake.plan": plan.name,
        "lake.status": status,
        "lake.rows": json.dumps(to_plain(rows), separators=(",", ":")),
    }


def _rows(batch: Batch, plan: WritePlan, table: str) -> Rows:
    """Return the counts, and see that no row went missing between them."""
    rows = Rows(
        rows_read=batch.rows_read,
        rows_applied=plan.rows_applied,
        rows_unchanged=plan.rows_unchanged,
        rows_stale=plan.rows_stale,
        rows_quarantined=batch.rows_rejected,
        rows_deduplicated=batch.rows_deduplicated,
    )
    accounted = (
        plan.rows_applied + plan.rows_unchanged + plan.rows_stale + batch.rows_rejected + batch.rows_deduplicated
    )
    if accounted != batch.rows_read:
        raise StepError(
            f"{table}: {batch.rows_read} rows were read and {accounted} are accounted for ({to_plain(rows)}). Nothing "
            "was published; this is a defect of the package."
        )
    return rows

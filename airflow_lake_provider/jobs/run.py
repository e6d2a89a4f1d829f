"""One table of a request, from pinned inputs to a published snapshot.

The order is that of ``docs/explanation/what-a-kill-leaves.md``: nothing a reader of main can see happens before the one
commit that publishes, and whatever is left by a run that died before or after it is found by the next.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Dict, List, Mapping, Optional, Tuple

from airflow_lake_provider.exceptions import QualityCheckFailed
from airflow_lake_provider.jobs import quarantine
from airflow_lake_provider.jobs.batch import DELETES, FILE, RAW, REASONS, Batch, deduplicate, materialise
from airflow_lake_provider.jobs.errors import (
    PublishConflict,
    QuarantineLimitExceeded,
    StepError,
)
from airflow_lake_provider.jobs.faults import reached
from airflow_lake_provider.jobs.iceberg import PUBLISHED_TAG, IcebergTable, branch_of, quoted, stamped
from airflow_lake_provider.jobs.inputs import Inputs, find_step, judge, pin
from airflow_lake_provider.jobs.ledger import POINTER, Ledger, Publication, ledger_folder, read_ledger, write_delta
from airflow_lake_provider.jobs.progress import say
from airflow_lake_provider.jobs.quality import run_checks, verdict
from airflow_lake_provider.jobs.sources.intake import require_source_file, without_files
from airflow_lake_provider.jobs.sources.options import unknown_options
from airflow_lake_provider.jobs.sources.unreadable import naming_files
from airflow_lake_provider.jobs.tables import ensure_table, literal
from airflow_lake_provider.jobs.write import REBUILDS, STRATEGIES, WritePlan
from airflow_lake_provider.jobs.write.options import check_columns, check_options, sequence_of
from airflow_lake_provider.protocol import (
    CheckResult,
    CheckStep,
    IngestStep,
    JobError,
    JobRequest,
    Rows,
    TableReport,
    TableRequest,
    WriteStep,
    check_failure,
    to_plain,
)
from airflow_lake_provider.protocol.report import FAILED, NO_OP, PUBLISHED, SKIP_PUBLISH, SKIPPED

_ATTEMPTS = 10
_NOTHING_READ = Rows(
    rows_read=0,
    rows_applied=0,
    rows_unchanged=0,
    rows_stale=0,
    rows_quarantined=0,
    rows_deduplicated=0,
    rows_written=0,
)


def run_table(spark: Any, job: JobRequest, request: TableRequest) -> TableReport:
    """Run all steps of one table.

    Where another run publishes meanwhile, everything is done again from what is there then, a bounded number of times.

    :raises StepError: with what to do about it. Other exceptions are Spark's and Iceberg's own.
    """
    if find_step(request, WriteStep) is None:
        return _check_only(spark, job, request)
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return replace(TableRun(spark, job, request).run(), attempts=attempt)
        except PublishConflict as conflict:
            if attempt == _ATTEMPTS:
                raise PublishConflict(
                    f"{conflict}; gave up after {attempt} attempts, each from a fresh start"
                ) from conflict
            say(f"{conflict}: starting again from there (attempt {attempt + 1} of {_ATTEMPTS})")
    raise AssertionError("unreachable")


@dataclass(frozen=True)
class _Outcome:
    """What became of the written branch."""

    snapshot_id: Optional[int]
    base: Optional[int]
    status: str
    checks: Tuple[CheckResult, ...] = ()


class TableRun:
    """One attempt at one table; a fresh object for each attempt, so nothing of a lost one lingers."""

    def __init__(self, spark: Any, job: JobRequest, request: TableRequest) -> None:
        write = find_step(request, WriteStep)
        assert isinstance(write, WriteStep)
        self._spark = spark
        self._job = job
        self._request = request
        self._write = write
        self._branch = branch_of(job.request_id)
        self._interval = job.interval.key if job.interval is not None else ""
        self._warnings: List[str] = []

    def run(self) -> TableReport:
        """Run this attempt."""
        check_options(self._request, self._write)
        table = self._find()
        self._recover(table)
        delivered = self._published_earlier(table)
        if delivered is not None:
            return delivered
        ledger = read_ledger(table) if table is not None and not self._request.full_refresh else Ledger()
        head = table.head() if table is not None else None
        inputs = pin(self._spark, self._job, self._request, ledger)
        reached("read", self._request.table)
        empty = self._without_files(ledger, inputs, head)
        if empty is not None:
            return empty
        if table is not None and self._is_settled(ledger, inputs):
            return self._report(NO_OP, rows=_NOTHING_READ, plan="nothing", inputs=inputs, snapshot_id=head)
        if table is not None and self._sees_nothing(inputs):
            return self._nothing_to_read(table, inputs)
        self._check_files(table, inputs)
        ingest = self._ingest
        with naming_files(self._spark, ingest, inputs.fresh):
            judged = judge(self._spark, self._job, self._request, inputs, now=datetime.now(timezone.utc))
        if judged is None:
            return self._nothing_to_read(table, inputs)
        written = [name for name in judged.df.columns if name not in (DELETES, FILE, RAW, REASONS)]
        check_columns(self._write, written, table=self._request.table)
        with naming_files(self._spark, ingest, inputs.fresh):
            batch = materialise(judged.df)
        reached("judged", self._request.table)
        self._check_rejected(batch)
        batch = self._deduplicated(batch)
        table = self._table_for(batch)
        if table.head() != head:
            raise PublishConflict(f"{self._request.table} was published by another run meanwhile")
        reached("table-ready", self._request.table)
        report = self._write_and_publish(table, ledger, inputs, batch, base=head)
        return replace(report, columns_left_out=judged.left_out, columns_missing=judged.missing)

    def _find(self) -> Optional[IcebergTable]:
        return IcebergTable.find(self._spark, self._job.catalog, self._request.table)

    def _recover(self, table: Optional[IcebergTable]) -> None:
        """Settle what earlier runs left: first the pick that main names, then the branches of the dead."""
        catalog = self._job.catalog
        if table is not None:
            quarantine.finish_pick(self._spark, table, catalog=catalog)
        dead = [*self._job.submissions.dead, self._job.request_id]
        quarantine.drop_dead_refs(self._spark, self._request, dead, catalog=catalog)
        if table is not None:
            table.refresh()
        reached("recovered", self._request.table)

    def _published_earlier(self, table: Optional[IcebergTable]) -> Optional[TableReport]:
        """Return the report of an earlier start of this task run that published and could not tell anybody."""
        if table is None:
            return None
        undelivered = self._job.submissions.undelivered
        # A start of which nobody knows whether it happened is made again, under its own id.
        wanted = {*undelivered, self._job.request_id}
        last = table.head(PUBLISHED_TAG)
        for snapshot_id in table.ancestors(table.head()) if undelivered or last is None else (last,):
            summary = table.summary(snapshot_id)
            if summary.get("lake.request_id") in wanted:
                say(f"{self._request.table}: snapshot {snapshot_id} was published by an earlier start of this run")
                rows = json.loads(summary["lake.rows"])
                return self._report(
                    summary["lake.status"],
                    rows=Rows(**{**rows, "rows_written": int(summary.get("added-records", 0))}),
                    plan=summary["lake.plan"],
                    snapshot_id=snapshot_id,
                )
        return None

    def _is_settled(self, ledger: Ledger, inputs: Inputs) -> bool:
        """Whether the ledger says that this run has nothing to do, before anything is read."""
        last = ledger.intervals.get(self._interval)
        if last is None or self._request.full_refresh:
            return False
        same = last.fingerprint == inputs.fingerprint
        if self._ingest is not None and inputs.fresh and self._write.strategy != "replace":
            return False  # the ledger is per file: no interval is done while a file of it is not
        is_query = self._ingest is None
        if self._write.strategy == "append" and is_query and self._interval:
            if not same:
                self._warnings.append(
                    f"interval {self._interval} was appended by run {last.run_id} already, from other inputs; an "
                    "append never redoes an interval"
                )
            return True
        return same and inputs.repeatable

    def _sees_nothing(self, inputs: Inputs) -> bool:
        """Whether a table that its files replace has none to be replaced by: files that are gone withdraw nothing."""
        return (
            self._ingest is not None
            and not inputs.fresh
            and self._write.strategy == "replace"
            and not self._request.full_refresh
        )

    @property
    def _ingest(self) -> Optional[IngestStep]:
        step = find_step(self._request, IngestStep)
        return step if isinstance(step, IngestStep) else None

    def _without_files(self, ledger: Ledger, inputs: Inputs, head: Optional[int]) -> Optional[TableReport]:
        """Return the report of a run that ``on_empty`` skips, ``None`` where there is something to do.

        It says nothing about a run whose interval is in the ledger: that one's files are in the table, by a run of the
        same interval, and clearing a good run is no reason to skip or to fail.
        """
        step = self._ingest
        if step is None or inputs.fresh or (self._interval and self._interval in ledger.intervals):
            return None
        skips = without_files(step, table=self._request.table)
        if skips is None:
            return None
        self._warnings.append(skips)
        return self._report(SKIPPED, rows=_NOTHING_READ, plan="nothing", inputs=inputs, snapshot_id=head)

    def _check_files(self, table: Optional[IcebergTable], inputs: Inputs) -> None:
        """Say what the report should not hide about the files; see that the old rows of replaced ones can be found."""
        step = self._ingest
        if step is None:
            return
        self._warnings += unknown_options(self._spark, step.format, step.options)
        if inputs.left:
            self._warnings.append(
                f"{inputs.left} new files are left for the next run, for files_per_run is {step.files_per_run}"
            )
        if table is not None and self._removes(inputs):
            rows = self._spark.table(quoted(table.identifier))
            require_source_file(step, rows, inputs.replaced, table=self._request.table)

    def _nothing_to_read(self, table: Optional[IcebergTable], inputs: Inputs) -> TableReport:
        """No new file, and no contract that says what the columns of an empty batch are."""
        if table is None:
            what = "no file that matched has columns" if inputs.fresh else "no file matched"
            self._warnings.append(f"{what} and there is no contract, so there is no table yet")
            return self._report(NO_OP, rows=_NOTHING_READ, plan="nothing", inputs=inputs)
        outcome = self._audit_unchanged(table, table.head())
        return self._report(
            outcome.status,
            rows=_NOTHING_READ,
            plan="nothing",
            inputs=inputs,
            snapshot_id=outcome.snapshot_id,
            outcome=outcome,
        )

    def _check_rejected(self, batch: Batch) -> None:
        """See that the rejected rows may be set aside; where they are too many, show them on their branch and fail."""
        try:
            quarantine.check_limit(self._request, batch)
        except QuarantineLimitExceeded as exc:
            staged = self._stage(batch, stamps={"lake.request_id": self._job.request_id})
            where = quarantine.quarantine_table(self._request)
            shown = f"on branch '{self._branch}' of {where}" if staged is not None else f"in {where}"
            raise QuarantineLimitExceeded(f"{exc} The rejected rows are {shown}.") from exc

    def _stage(self, batch: Batch, *, stamps: Mapping[str, str]) -> Optional[quarantine.Staged]:
        return quarantine.stage(
            self._spark,
            self._request,
            batch,
            catalog=self._job.catalog,
            request_id=self._job.request_id,
            run_id=self._job.task.run_id,
            interval_start=self._job.interval.start if self._job.interval is not None else None,
            stamps=stamps,
        )

    def _deduplicated(self, batch: Batch) -> Batch:
        if self._write.strategy == "append" or not self._write.unique_key:
            return batch
        sequence = sequence_of(self._write, batch.columns)
        return deduplicate(batch, unique_key=self._write.unique_key, sequence_by=sequence, table=self._request.table)

    def _table_for(self, batch: Batch) -> IcebergTable:
        return ensure_table(self._spark, self._request, batch.schema, catalog=self._job.catalog)

    def _write_and_publish(
        self, table: IcebergTable, ledger: Ledger, inputs: Inputs, batch: Batch, *, base: Optional[int]
    ) -> TableReport:
        if table.create_branch(self._branch) != base:
            raise PublishConflict(f"{self._request.table} was published by another run meanwhile")
        reached("branch-created", self._request.table)
        planners = REBUILDS if self._request.full_refresh else STRATEGIES
        plan = planners[self._write.strategy](self._spark, batch, self._write, table.branch(self._branch))
        self._warnings += plan.warnings
        removes = self._removes(inputs)
        rows = _rows(batch, plan, self._request.table)
        changes = plan.changes or removes
        stamps = self._stamps(inputs, rows, plan, status=PUBLISHED if changes else NO_OP)
        staged = self._stage(batch, stamps=stamps)
        reached("quarantine-staged", self._request.table)
        unseen = any(ledger.files.get(path) != version for path, version in inputs.versions.items())
        recorded = unseen or self._request.full_refresh
        if not changes and staged is None and not recorded:
            outcome = self._audit_unchanged(table, base)
            return self._report(
                outcome.status, rows=rows, plan=plan.name, inputs=inputs, snapshot_id=base, outcome=outcome
            )
        pointer = write_delta(
            table,
            folder=ledger_folder(self._job.catalog, table),
            ledger=ledger,
            files=inputs.versions,
            interval=self._interval,
            publication=Publication(inputs.fingerprint, self._job.request_id, self._job.task.run_id),
            start_anew=self._request.full_refresh,
        )
        reached("ledger-written", self._request.table)
        stamps[POINTER] = pointer.text()
        if staged is not None:
            stamps[quarantine.STAMP] = staged.text()
        with stamped(self._spark, stamps):
            self._commit(table, inputs, plan, removes=removes)
        table.refresh()
        reached("branch-written", self._request.table)
        outcome = self._audit_and_publish(table, base, changes=changes)
        return self._finish(table, inputs, plan, rows, outcome)

    def _removes(self, inputs: Inputs) -> bool:
        """Whether rows of replaced files leave the table: an append takes a file's newest version only."""
        keeps = self._ingest is None or self._ingest.on_replaced != "replace" or self._write.strategy != "append"
        return bool(inputs.replaced) and not keeps and not self._request.full_refresh

    def _commit(self, table: IcebergTable, inputs: Inputs, plan: WritePlan, *, removes: bool) -> None:
        branch = table.branch(self._branch)
        if removes:
            for start in range(0, len(inputs.replaced), 500):
                paths = ", ".join(literal(path) for path in inputs.replaced[start : start + 500])
                self._spark.sql(f"DELETE FROM {branch} WHERE `_source_file` IN ({paths})")
        if plan.commit is not None:
            plan.commit()
        if not plan.changes and not removes:
            table.append_nothing(self._branch)

    def _audit_unchanged(self, table: IcebergTable, base: Optional[int]) -> _Outcome:
        """Nothing to commit: the branch goes, and the checks judge the table as it is."""
        table.drop_refs([self._branch])
        checks = self._check(branch=None)
        status = FAILED if verdict(checks) == "fail" else NO_OP
        return _Outcome(snapshot_id=base, base=base, status=status, checks=checks)

    def _audit_and_publish(self, table: IcebergTable, base: Optional[int], *, changes: bool) -> _Outcome:
        head = table.head(self._branch)
        assert head is not None
        checks = self._check(branch=self._branch)
        reached("audited", self._request.table)
        word = verdict(checks)
        if word == "fail":
            return _Outcome(snapshot_id=head, base=base, status=FAILED, checks=checks)
        if word == "skip_publish":
            return _Outcome(snapshot_id=head, base=base, status=SKIP_PUBLISH, checks=checks)
        table.publish(branch=self._branch, snapshot_id=head)
        reached("published", self._request.table)
        return _Outcome(snapshot_id=head, base=base, status=PUBLISHED if changes else NO_OP, checks=checks)

    def _finish(
        self, table: IcebergTable, inputs: Inputs, plan: WritePlan, rows: Rows, outcome: _Outcome
    ) -> TableReport:
        """Bring the rejected rows home and report."""
        assert outcome.snapshot_id is not None
        commits = table.commits(head=outcome.snapshot_id, base=outcome.base)
        written = [commit.added_records for commit in commits if commit.added_records is not None]
        rows = replace(rows, rows_written=sum(written))
        published = outcome.status in (PUBLISHED, NO_OP)
        quarantined: Optional[int] = None
        if published:
            quarantined = quarantine.finish_pick(self._spark, table, catalog=self._job.catalog)
            reached("quarantine-picked", self._request.table)
            failed = list(self._job.submissions.failed)
            quarantine.drop_dead_refs(self._spark, self._request, failed, catalog=self._job.catalog)
        report = self._report(
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
            branch=None if published else self._branch,
            quarantine_table=quarantine.quarantine_table(self._request) if rows.rows_quarantined else None,
            quarantine_snapshot_id=quarantined,
        )

    def _check(self, *, branch: Optional[str]) -> Tuple[CheckResult, ...]:
        step = find_step(self._request, CheckStep)
        if not isinstance(step, CheckStep):
            return ()
        return _run_checks(self._spark, self._job, self._request.table, step, branch=branch)

    def _stamps(self, inputs: Inputs, rows: Rows, plan: WritePlan, *, status: str) -> Dict[str, str]:
        """Return what each commit of this run carries in its summary, enough to answer for the run without it."""
        task = self._job.task
        return {
            "lake.request_id": self._job.request_id,
            "lake.dag_id": task.dag_id,
            "lake.run_id": task.run_id,
            "lake.task_id": task.task_id,
            "lake.interval": self._interval,
            "lake.fingerprint": inputs.fingerprint,
            "lake.strategy": self._write.strategy,
            "lake.plan": plan.name,
            "lake.status": status,
            "lake.rows": json.dumps(to_plain(rows), separators=(",", ":")),
        }

    def _report(
        self,
        status: str,
        *,
        rows: Rows,
        plan: str,
        inputs: Optional[Inputs] = None,
        snapshot_id: Optional[int] = None,
        outcome: Optional[_Outcome] = None,
    ) -> TableReport:
        checks = outcome.checks if outcome is not None else ()
        error = None
        if status == FAILED:
            branch = self._branch if outcome is not None and outcome.snapshot_id != outcome.base else None
            error = _checks_failed(self._request.table, checks, branch=branch)
        return TableReport(
            table=self._request.table,
            status=status,
            strategy=self._write.strategy,
            plan=plan,
            rows=rows if rows.rows_written is not None else replace(rows, rows_written=0),
            snapshot_id=snapshot_id,
            checks=checks,
            warnings=tuple(self._warnings),
            fingerprint=inputs.fingerprint if inputs is not None else None,
            error=error,
        )


def _checks_failed(table: str, checks: Tuple[CheckResult, ...], *, branch: Optional[str]) -> JobError:
    """Return the error of a table whose checks failed."""
    return JobError(type=QualityCheckFailed.__name__, message=check_failure(table, checks, branch=branch))


def _run_checks(
    spark: Any, job: JobRequest, table: str, step: CheckStep, *, branch: Optional[str]
) -> Tuple[CheckResult, ...]:
    results = run_checks(spark, table=table, catalog=job.catalog, checks=step.checks, branch=branch)
    for result in results:
        shown = "" if result.value is None else f" (value {result.value})"
        why = f": {result.message}" if result.message else ""
        say(f"check {result.told}: {result.check}{shown}{why}")
    return results


def _check_only(spark: Any, job: JobRequest, request: TableRequest) -> TableReport:
    """Judge a table that nobody writes in this run."""
    step = find_step(request, CheckStep)
    if not isinstance(step, CheckStep):
        raise StepError(f"{request.table}: the request has neither a write nor a check")
    table = IcebergTable.find(spark, job.catalog, request.table)
    if table is None:
        raise StepError(f"{request.table} does not exist in catalog '{job.catalog.name}', so there is nothing to check")
    checks = _run_checks(spark, job, request.table, step, branch=None)
    failed = verdict(checks) == "fail"
    return TableReport(
        table=request.table,
        status=FAILED if failed else NO_OP,
        plan="check",
        snapshot_id=table.head(),
        checks=checks,
        error=_checks_failed(request.table, checks, branch=None) if failed else None,
    )


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

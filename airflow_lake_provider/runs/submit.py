"""Submit or reattach: one task run is one effect, whatever became of the worker in between."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from airflow_lake_provider import __version__
from airflow_lake_provider.engines import Engine, RunHandle, RunState, SparkJob, Status, job_library_sha256
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import (
    DataInterval,
    JobFolder,
    JobReport,
    JobRequest,
    Provenance,
    Store,
    TableRequest,
    TaskIdentity,
    open_store,
    to_json,
)
from airflow_lake_provider.protocol.store import CANCELLED, DELIVERED, HANDLE, REPORT, REQUEST
from airflow_lake_provider.runs.code import write_code
from airflow_lake_provider.runs.lake_home import prepare_lake_home
from airflow_lake_provider.runs.outcome import is_final
from airflow_lake_provider.runs.secrets import refuse_secrets
from airflow_lake_provider.runs.starts import (
    TaskStarts,
    find_handle,
    is_live,
    newest_of,
    read_handle,
    read_report,
    read_request,
)
from airflow_lake_provider.runs.wait import Delivery, EndedRun, LiveRun, Wait, cancel

if TYPE_CHECKING:
    from airflow_lake_provider.spec import Environment

CANCEL_SECONDS = 120.0
"""How long a cancelled run of an earlier try or generation may take to end before the new one gives up.

Longer than a driver on a machine that is gone counts as alive.
"""


@dataclass(frozen=True, kw_only=True)
class TaskJob:
    """The job of a task run: what it does and where it runs.

    :param task: the task run; its ``generation`` counts, its ``submission`` is chosen at the start.
    :param spark_conf: Spark's properties, merged already; they win over the engine's.
    :param engine_options: the platform's own settings, for the engine to pass on as they are.
    :param store: where the job folders are kept, by default what ``environment.job_root`` says.
    :param detached: the run is to go on without this process.
    """

    task: TaskIdentity
    try_number: int
    pipeline: str
    tables: Sequence[TableRequest]
    environment: Environment
    engine: Engine
    interval: DataInterval | None
    logical_date: str | None
    spark_conf: Mapping[str, str]
    provenance: Provenance
    log: logging.Logger
    engine_options: Mapping[str, Any] = field(default_factory=dict)
    store: Store | None = None
    detached: bool = False

    @functools.cached_property
    def starts(self) -> TaskStarts:
        """All starts of the task run."""
        root = self.environment.job_root
        return TaskStarts(self.store or open_store(root), root, self.task)

    def request(self, folder: JobFolder) -> JobRequest:
        """Return what the job is asked to do, as the start in this folder."""
        return JobRequest(
            request_id=folder.task.request_id,
            task=folder.task,
            pipeline=self.pipeline,
            tables=tuple(self.tables),
            catalog=self.environment.catalog,
            report_uri=folder.document(REPORT),
            try_number=self.try_number,
            logical_date=self.logical_date,
            interval=self.interval,
            spark_conf={**self.engine.spark_conf, **self.spark_conf},
            submissions=self.starts.submissions_before(self.engine, folder),
            provenance=_complete(self.provenance),
        )


def run_job(
    job: TaskJob,
    *,
    poll_interval: float = 1.0,
    on_live: Callable[[LiveRun], None] | None = None,
    on_start: Callable[[RunHandle, JobFolder], None] | None = None,
    on_report: Callable[[JobReport], None] | None = None,
) -> EndedRun:
    """Run tables as one job of a task run, wait for its end and return it without judging it.

    What :func:`start_job` and :class:`~.wait.Wait` do, in one process.

    :param poll_interval: seconds between two questions where the run stands.
    :param on_live: called with the live run before this process waits for it; an exception leaves the run to others.
    :param on_start: called with the handle and the folder as soon as there is a run to cancel or to look at.
    :param on_report: called with each report that the job leaves while it runs, and with the last one.
    :raises EngineError: the job could not be started.
    :raises SpecError: the request would hold a secret.
    """
    wait = Wait(
        engine=job.engine,
        log=job.log,
        store=job.starts.store,
        poll_interval=poll_interval,
        on_start=on_start,
        on_report=on_report,
    )
    while True:
        run = start_job(job, poll_interval=poll_interval)
        if isinstance(run, EndedRun):
            return run
        if on_live is not None:
            on_live(run)
        ended = wait.until_end(run)
        if not (run.was_there and ended.is_lost):
            return ended


def start_job(job: TaskJob, *, poll_interval: float = 1.0) -> EndedRun | LiveRun:
    """Submit or reattach: return a run of this task run that is live, or one that has ended well before.

    Looks at the newest start of the task's generation first: one that may never have begun is submitted again under
    the same id, a live one is found, one that ended well gives its report, after a dead one comes a new start. A live
    run of an older generation (the task was cleared) is cancelled before.

    :param poll_interval: seconds between two questions whether a cancelled run has ended.
    :raises EngineError: the job could not be started.
    :raises SpecError: the request would hold a secret.
    """
    refuse_secrets(job.environment.catalog, {**job.engine.spark_conf, **job.spark_conf})
    prepare_lake_home(job.environment)
    starts = job.starts
    write_code(job.tables, starts.store)
    _cancel_older_generations(starts, job.engine, job.log, poll_interval)
    while True:
        newest = newest_of(starts.all(), job.task.generation)
        if newest is not None:
            found = _found(newest, job, poll_interval)
            if found is not None:
                return found
        folder = starts.following(newest, job.task.generation)
        request = job.request(folder)
        starts.open(folder)
        if not starts.store.create(folder.document(REQUEST), to_json(request).encode()):
            continue  # another worker began the same start in this moment: the next look finds it
        return LiveRun(_submit(job, folder, request), folder, request)


def deliver(delivery: Delivery, store: Store | None = None) -> None:
    """Mark a report as taken; the caller's last write.

    A run of the same task run that comes later and finds the marker missing reports what this one published. Earlier
    starts are marked too: what they published and could not tell, this report has told.
    """
    folder = delivery.folder
    store = store or open_store(folder.root)
    for start in TaskStarts(store, folder.root, folder.task).all():
        if (start.task.generation, start.task.submission) <= (folder.task.generation, folder.task.submission):
            store.create(start.document(DELIVERED), b"")


def _found(folder: JobFolder, job: TaskJob, poll_interval: float) -> EndedRun | LiveRun | None:
    """Return the newest start if it is live or has ended well; ``None`` when it is dead and a new one must come."""
    starts, engine, log = job.starts, job.engine, job.log
    store = starts.store
    report = read_report(store, folder)
    handle = read_handle(store, folder)
    request = read_request(store, folder)
    if report is not None and is_final(report) and not (handle is not None and is_live(engine, handle)):
        if report.status != "succeeded":
            return None
        run = engine.describe(handle) if handle is not None and handle.engine == engine.name else folder.uri
        log.info("This run has ended before: its report is %s", folder.document(REPORT))
        if request is not None:
            starts.settle(folder, request.submissions, report)
        return EndedRun(RunState(Status.SUCCEEDED), report, folder, run)
    if request is None:
        return None
    if handle is None:
        log.info("Nobody knows whether %s was started: submitting it again under the same id", folder.uri)
        handle = _submit(job, folder, request)
    elif not is_live(engine, handle):
        return None
    elif store.read(folder.document(CANCELLED)) is not None:
        log.info("This run was cancelled and is about to end: %s", engine.describe(handle))
        _wait_for_end(engine, handle, "of an earlier try", poll_interval)
        return _found(folder, job, poll_interval)
    else:
        log.info("This run goes on, waiting for it: %s", engine.describe(handle))
    return LiveRun(handle, folder, request, was_there=True)


def _submit(job: TaskJob, folder: JobFolder, request: JobRequest) -> RunHandle:
    """Start the run, or find it again, and leave its handle in the job folder."""
    handle = job.engine.submit(
        SparkJob(
            request=request,
            request_uri=folder.document(REQUEST),
            options=job.engine_options,
            detached=job.detached,
        )
    )
    try:
        job.log.info("Submitted %s to %s: %s", request.request_id, job.engine.name, job.engine.describe(handle))
        job.starts.store.write(folder.document(HANDLE), to_json(handle).encode())
    except BaseException as exc:
        # Nobody else would know of it; after a mere error a retry submits the same id and finds it.
        if not isinstance(exc, Exception):
            cancel(job.engine, handle, job.log)
        raise
    return handle


def _cancel_older_generations(starts: TaskStarts, engine: Engine, log: logging.Logger, poll_interval: float) -> None:
    """A cleared task runs anew: what it was doing before must not go on beside it."""
    for folder in starts.all():
        if folder.task.generation >= starts.task.generation:
            continue
        handle = find_handle(starts.store, folder)
        if handle is None or not is_live(engine, handle):
            continue
        log.info("The task was cleared while it ran: cancelling %s", engine.describe(handle))
        engine.cancel(handle)
        _wait_for_end(engine, handle, "from before it was cleared", poll_interval)


def _wait_for_end(engine: Engine, handle: RunHandle, which: str, poll_interval: float) -> None:
    """Wait until a run has ended that somebody has cancelled.

    :param which: of the task's runs.
    """
    deadline = time.monotonic() + CANCEL_SECONDS
    while is_live(engine, handle):
        if time.monotonic() > deadline:
            raise EngineError(
                f"The run of this task {which} was cancelled and has not ended in {CANCEL_SECONDS:.0f} seconds. "
                f"Stop it by hand, then run the task again: {engine.describe(handle)}"
            )
        time.sleep(min(poll_interval, 5.0))


def _complete(provenance: Provenance) -> Provenance:
    """Fill in what every run knows of itself."""
    return replace(
        provenance,
        provider_version=provenance.provider_version or __version__,
        code_sha256=provenance.code_sha256 or job_library_sha256(),
    )

"""Submit or reattach: one task run is one effect, whatever became of the worker in between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_lake_provider import __version__
from airflow_lake_provider.engines import (
    Engine,
    RunHandle,
    RunState,
    Status,
    job_library_sha256,
)
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
from airflow_lake_provider.protocol.store import DELIVERED, REPORT, REQUEST
from airflow_lake_provider.runs.code import write_code
from airflow_lake_provider.runs.lake_home import prepare_lake_home
from airflow_lake_provider.runs.outcome import is_final
from airflow_lake_provider.runs.secrets import refuse_secrets
from airflow_lake_provider.runs.starts import (
    TaskStarts,
    is_live,
    newest_of,
    read_handle,
    read_report,
    read_request,
)
from airflow_lake_provider.runs.wait import Delivery, EndedRun, Wait

if TYPE_CHECKING:
    from airflow_lake_provider.spec import Environment

CANCEL_SECONDS = 60.0
"""How long a cancelled run of an older generation may take to end before the new one gives up."""


def run_job(
    *,
    task: TaskIdentity,
    try_number: int,
    pipeline: str,
    tables: Sequence[TableRequest],
    environment: Environment,
    engine: Engine,
    interval: DataInterval | None,
    logical_date: str | None,
    spark_conf: Mapping[str, str],
    provenance: Provenance,
    log: logging.Logger,
    store: Store | None = None,
    poll_interval: float = 1.0,
    engine_options: Mapping[str, Any] | None = None,
    on_start: Callable[[RunHandle, JobFolder], None] | None = None,
    on_report: Callable[[JobReport], None] | None = None,
) -> EndedRun:
    """Run tables as one job of a task run, wait for its end and return it without judging it.

    Looks at the newest start of the task's generation first: one that may never have begun is submitted again under
    the same id, a live one is waited for, one that ended well gives its report, after a dead one comes a new start. A
    live run of an older generation (the task was cleared) is cancelled before.

    :param task: the task run; its ``generation`` counts, its ``submission`` is chosen here.
    :param spark_conf: Spark's properties, merged already; they win over the engine's.
    :param store: where the job folders are kept, by default what ``environment.job_root`` says.
    :param poll_interval: seconds between two questions where the run stands.
    :param engine_options: the platform's own settings, for the engine to pass on as they are.
    :param on_start: called with the handle and the folder as soon as there is a run to cancel or to look at.
    :param on_report: called with each report that the job leaves while it runs, and with the last one.
    :raises EngineError: the job could not be started.
    :raises SpecError: the request would hold a secret.
    """
    refuse_secrets(environment.catalog, {**engine.spark_conf, **spark_conf})
    prepare_lake_home(environment)
    store = store or open_store(environment.job_root)
    write_code(tables, store)
    starts = TaskStarts(store, environment.job_root, task)
    wait = Wait(engine, store, log, poll_interval, dict(engine_options or {}), on_start, on_report)
    _cancel_older_generations(starts, engine, log, poll_interval)

    def new_request(folder: JobFolder) -> JobRequest:
        return JobRequest(
            request_id=folder.task.request_id,
            task=folder.task,
            pipeline=pipeline,
            tables=tuple(tables),
            catalog=environment.catalog,
            report_uri=folder.document(REPORT),
            try_number=try_number,
            logical_date=logical_date,
            interval=interval,
            spark_conf={**engine.spark_conf, **spark_conf},
            submissions=starts.submissions_before(engine, folder),
            provenance=_complete(provenance),
        )

    while True:
        newest = newest_of(starts.all(), task.generation)
        if newest is not None:
            joined = _join(newest, starts, wait)
            if joined is not None:
                return joined
        folder = starts.following(newest, task.generation)
        request = new_request(folder)
        starts.open(folder)
        if not store.create(folder.document(REQUEST), to_json(request).encode()):
            continue  # another worker began the same start in this moment: the next look finds it
        return wait.until_end(folder, request, wait.submit(folder, request), starts)


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


def _join(folder: JobFolder, starts: TaskStarts, wait: Wait) -> EndedRun | None:
    """Return the end of the newest start, waited for if need be; ``None`` when it is dead and a new one must come."""
    store, engine, log = wait.store, wait.engine, wait.log
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
        handle = wait.submit(folder, request)
    elif is_live(engine, handle):
        log.info("This run goes on, waiting for it: %s", engine.describe(handle))
    else:
        return None
    ended = wait.until_end(folder, request, handle, starts)
    lost = ended.state.status is Status.LOST and (ended.report is None or not is_final(ended.report))
    return None if lost else ended


def _cancel_older_generations(starts: TaskStarts, engine: Engine, log: logging.Logger, poll_interval: float) -> None:
    """A cleared task runs anew: what it was doing before must not go on beside it."""
    for folder in starts.all():
        if folder.task.generation >= starts.task.generation:
            continue
        handle = read_handle(starts.store, folder)
        if handle is None or not is_live(engine, handle):
            continue
        log.info("The task was cleared while it ran: cancelling %s", engine.describe(handle))
        engine.cancel(handle)
        deadline = time.monotonic() + CANCEL_SECONDS
        while is_live(engine, handle):
            if time.monotonic() > deadline:
                raise EngineError(
                    f"The run of this task from before it was cleared was cancelled and has not ended in "
                    f"{CANCEL_SECONDS:.0f} seconds. Stop it by hand, then run the task again: {engine.describe(handle)}"
                )
            time.sleep(poll_interval)


def _complete(provenance: Provenance) -> Provenance:
    """Fill in what every run knows of itself."""
    return replace(
        provenance,
        provider_version=provenance.provider_version or __version__,
        code_sha256=provenance.code_sha256 or job_library_sha256(),
    )

"""Jobs whose driver the cluster runs: handed over by spark-submit, watched through the master."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from airflow_lake_provider.engines.base import RunHandle, RunState, SparkJob, Status
from airflow_lake_provider.engines.driver_process import Launch
from airflow_lake_provider.engines.spark_master import Answer, Master, ask
from airflow_lake_provider.engines.spark_target import CLUSTER
from airflow_lake_provider.engines.yarn import tracking_url
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import open_store
from airflow_lake_provider.protocol.store import CANCELLED

SUBMIT_SECONDS = 1800.0
"""How long spark-submit may take to hand a job to a cluster: it uploads Spark itself where the cluster has none."""

SILENCES = 5
"""So many questions in a row may go unanswered before a run's state is an error."""


@dataclass
class _Seen:
    """The last that a master said of a run, and how often in a row it has said nothing since."""

    at: float
    state: RunState
    silences: int = 0


class ClusterRuns:
    """The runs of one engine in cluster mode.

    :param master_of: gives the master that a run was handed to.
    :param poll_interval: the least number of seconds between two questions to a master.
    """

    def __init__(
        self, *, engine: str, master_of: Callable[[RunHandle], Master], poll_interval: float, log: logging.Logger
    ) -> None:
        self._engine = engine
        self._master_of = master_of
        self._poll_interval = poll_interval
        self._log = log
        self._seen: dict[str, _Seen] = {}

    def submit(self, job: SparkJob, url: str, master: Master, launch: Callable[[], Launch]) -> RunHandle:
        """Hand the job over, or find the run that this request id already started.

        :param url: the master's, as spark-submit knows it.
        :param launch: says how; called only when there is something to submit.
        :raises EngineError: spark-submit refuses, or nothing says what has become of the job.
        """
        run_id, page = master.find(job.request_id), None
        if run_id is None:
            answer = self._hand_over(job, master, launch())
            self._log.debug("%s", answer.output)
            if answer.returncode == 0:
                run_id = master.named(job.request_id, answer.output)
            else:
                # It may have been submitted nevertheless, by this try or by another worker at the same time.
                run_id = master.find(job.request_id)
            page = tracking_url(answer.output)
            if run_id is None:
                answer.checked("submit the job")
                raise EngineError(
                    f"{answer.command} ended well and named no application, and {url} knows none of this request. "
                    "Does the log configuration of its Spark hide INFO?"
                )
        if master.doubt:
            self._log.warning(
                "%s: %s. Its state is what its report says; if it dies without one, only the task's "
                "execution_timeout ends the waiting.",
                run_id, master.doubt,
            )  # fmt: skip
        return RunHandle(
            engine=self._engine,
            run_id=run_id,
            request_id=job.request_id,
            submitted_at=datetime.now(UTC).isoformat(),
            url=page,
            detached=True,
            extras={
                "deploy_mode": CLUSTER,
                "master": url,
                "folder": job.request_uri.rpartition("/")[0],
                "report": job.request.report_uri,
                "logs": master.logs(run_id),
            },
        )

    def _hand_over(self, job: SparkJob, master: Master, how: Launch) -> Answer:
        """Run spark-submit to its end. An interrupt stops what it may have submitted: nobody else knows of it yet."""
        try:
            return ask(how.command, how.environment, seconds=SUBMIT_SECONDS)
        except BaseException as exc:
            if not isinstance(exc, Exception):
                self._stop_unknown(job, master)
            raise

    def _stop_unknown(self, job: SparkJob, master: Master) -> None:
        try:
            run_id = master.find(job.request_id)
            if run_id is not None:
                self._log.info("Cancelling %s", run_id)
                master.kill(run_id)
        except EngineError as exc:
            self._log.warning("A run of %s may go on in the cluster: %s", job.request_id, exc)

    def state(self, handle: RunHandle) -> RunState:
        """Say where the run stands, by what the master said at most ``poll_interval`` seconds ago.

        :raises EngineError: the master has not answered :data:`SILENCES` times in a row.
        """
        seen = self._seen.get(handle.request_id)
        if seen is None:
            seen = self._seen[handle.request_id] = _Seen(float("-inf"), RunState(Status.RUNNING))
        if seen.state.status.is_terminal or time.monotonic() - seen.at < self._poll_interval:
            return seen.state
        try:
            seen.state, seen.silences = self._ask(handle), 0
        except EngineError as exc:
            seen.silences += 1
            if seen.silences >= SILENCES:
                raise
            self._log.warning("%s (%d of %d times in a row)", exc, seen.silences, SILENCES)
        finally:
            seen.at = time.monotonic()
        return seen.state

    def cancel(self, handle: RunHandle) -> None:
        """Stop the run; one that has ended stays as it is.

        :raises EngineError: the master refuses, or nothing here can ask it.
        """
        if self._ask(handle).status.is_terminal:
            return
        # Left for every process that looks later: of a deleted pod nobody could say why it is gone.
        marker = f"{handle.extras['folder']}/{CANCELLED}"
        store = open_store(marker)
        store.create(marker, b"")
        try:
            self._master_of(handle).kill(handle.run_id)
        except EngineError:
            store.delete(marker)
            raise
        self._seen.pop(handle.request_id, None)

    def describe(self, handle: RunHandle) -> str:
        """Say what the run is called on which cluster, and where its driver's output is."""
        return f"{handle.run_id} on {handle.extras['master']}, log: {handle.extras['logs']}"

    def _ask(self, handle: RunHandle) -> RunState:
        state = self._master_of(handle).state(handle.run_id)
        if state.status not in (Status.LOST, Status.FAILED):
            return state
        marker = f"{handle.extras['folder']}/{CANCELLED}"
        cancelled = open_store(marker).read(marker) is not None
        return RunState(Status.CANCELLED, "cancelled") if cancelled else state


def in_cluster(handle: RunHandle) -> bool:
    """Whether the cluster runs the driver of this run."""
    return handle.extras.get("deploy_mode") == CLUSTER

"""The local engine: the data plane's Python on this machine, in a process group that dies with its worker."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Mapping
from pathlib import Path

from airflow_lake_provider.engines.base import RunHandle, RunState, SparkJob
from airflow_lake_provider.engines.bundle import job_library
from airflow_lake_provider.engines.cache import cache_folder
from airflow_lake_provider.engines.class_archive import with_archive
from airflow_lake_provider.engines.data_plane import DataPlane, find_data_plane, required_coordinates
from airflow_lake_provider.engines.driver_environment import driver_environment
from airflow_lake_provider.engines.driver_process import DriverProcesses, Launch
from airflow_lake_provider.engines.mwaa import refuse_on_mwaa


class LocalEngine:
    """Runs jobs as processes of this machine; see :class:`~.driver_process.DriverProcesses`.

    :param python: the data plane's Python; by default ``LAKE_SPARK_PYTHON``, else what ``lake spark install`` built.
    :param master: Spark's master; ``local[*]`` uses all cores.
    :param driver_memory: the heap of the one JVM, which does all the work here.
    :param spark_conf: for every job on this engine; a request's own settings win.
    :param env: more environment variables for the driver. It gets this process's environment without Airflow's
        (``AIRFLOW...``), ``PYTHONPATH``, ``SPARK_HOME`` and the like; ``TZ`` is UTC.
    :param log: where the job's own lines, Spark's errors and the progress go.
    :raises EngineNotAllowed: this is a container of MWAA.
    """

    name = "local"

    def __init__(
        self,
        *,
        python: str | None = None,
        master: str = "local[*]",
        driver_memory: str = "2g",
        spark_conf: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        log: logging.Logger | None = None,
        cache: Path | None = None,
    ) -> None:
        refuse_on_mwaa("Engine 'local'")
        self._python = python
        self._env = dict(env or {})
        self._log = log or logging.getLogger(__name__)
        self._cache = cache or cache_folder()
        self._drivers = DriverProcesses(engine=self.name, log=self._log, cache=self._cache)
        self._spark_conf = {
            "spark.master": master,
            "spark.driver.memory": driver_memory,
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            # Spark's 200 are for a cluster; on one machine most of them would be empty tasks.
            "spark.sql.shuffle.partitions": str(4 * (os.cpu_count() or 1)),
            **(spark_conf or {}),
        }

    @property
    def spark_conf(self) -> Mapping[str, str]:
        """Master, memory and network of every job here, with the engine's own ``spark_conf`` over them."""
        return dict(self._spark_conf)

    def submit(self, job: SparkJob) -> RunHandle:
        """Start the driver, or find the one that this request id already started on this machine.

        :raises EngineNotInstalled: there is no data plane Python, or something is missing in it.
        :raises EngineError: the run's folder cannot be written or the process cannot be started.
        """
        if job.options:
            self._log.info("engine_options (%s): the local engine has no use for any", ", ".join(job.options))
        return self._drivers.submit(job, lambda: self._launch(job))

    def follow(self, handle: RunHandle) -> None:
        """From now on, pass the driver's output on to the log with each :meth:`state`."""
        self._drivers.follow(handle)

    def state(self, handle: RunHandle) -> RunState:
        """Say where the driver stands; of a run that is followed, pass on what it has written since the last call."""
        return self._drivers.state(handle)

    def cancel(self, handle: RunHandle) -> None:
        """Stop the driver and everything it started; returns when they are gone."""
        self._drivers.cancel(handle)

    def describe(self, handle: RunHandle) -> str:
        """Say which process it is, and where its whole output lies."""
        return self._drivers.describe(handle)

    def _data_plane(self) -> DataPlane:
        return find_data_plane(self._python, cache=self._cache)

    def _command(self, job: SparkJob, plane: DataPlane) -> list[str]:
        return [str(plane.python), "-m", "airflow_lake_provider.jobs", "--request-uri", job.request_uri]

    def _launch(self, job: SparkJob) -> Launch:
        plane = self._data_plane()
        environment = {
            **driver_environment(),
            "PYTHONPATH": str(job_library(cache=self._cache).path),
            "PYSPARK_PYTHON": str(plane.python),
            "PYSPARK_DRIVER_PYTHON": str(plane.python),
            "JAVA_HOME": str(plane.java_home),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
        conf = with_archive(plane, job.request.spark_conf)
        if missing := plane.missing_coordinates(required_coordinates(job.request, plane.spark_version)):
            conf |= {"spark.jars.packages": ",".join(missing), "spark.jars.ivy": str(self._cache / "ivy")}
        if conf:
            words = [word for key, value in conf.items() for word in ("--conf", f"{key}={value}")]
            environment["PYSPARK_SUBMIT_ARGS"] = shlex.join([*words, "pyspark-shell"])
        return Launch(self._command(job, plane), {**environment, **self._env})

"""The engine of any Spark cluster that ``spark-submit`` reaches: standalone, YARN, Kubernetes, or this machine."""

from __future__ import annotations

import functools
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from airflow_lake_provider.engines.base import RunHandle, RunState, SparkJob
from airflow_lake_provider.engines.bundle import entry_script, job_library
from airflow_lake_provider.engines.cache import cache_folder
from airflow_lake_provider.engines.class_archive import with_archive
from airflow_lake_provider.engines.connection import FindConnection, connection_from_environment
from airflow_lake_provider.engines.data_plane import ICEBERG_RUNTIME, SQLITE_JDBC, avro_coordinate, reads_avro
from airflow_lake_provider.engines.driver_process import DriverProcesses, Launch
from airflow_lake_provider.engines.kubernetes import KubernetesMaster
from airflow_lake_provider.engines.mwaa import refuse_on_mwaa
from airflow_lake_provider.engines.spark_cluster import ClusterRuns, in_cluster
from airflow_lake_provider.engines.spark_command import (
    SparkSubmit,
    conf_given,
    conf_words,
    find_spark_submit,
    option_words,
    spark_uri,
)
from airflow_lake_provider.engines.spark_master import Master
from airflow_lake_provider.engines.spark_target import (
    CLUSTER,
    MASTER,
    SparkTarget,
    access_conf,
    over,
    refuse_another_place,
    target_of,
)
from airflow_lake_provider.engines.yarn import yarn_master
from airflow_lake_provider.exceptions import EngineError
from airflow_lake_provider.protocol import JobFolder, JobRequest, open_store
from airflow_lake_provider.protocol.store import REQUEST

_LIBRARY = "~library"


class SparkSubmitEngine:
    """Submits jobs with ``spark-submit``.

    In client mode the driver is a process of this machine, like the local engine's: it is followed, and ends with the
    worker. In cluster mode (YARN, Kubernetes) the cluster runs it, and the master is asked where it stands.

    :param conn_id: an Airflow connection of the type ``spark``; its fields mean what they mean to the apache-spark
        provider. Without Airflow it is read from ``AIRFLOW_CONN_<ID>``.
    :param master: the cluster itself, in place of a connection: ``spark://host:7077``, ``yarn``, ``k8s://https://...``.
    :param deploy_mode: ``client`` (default) or ``cluster``.
    :param spark_binary: the program; by default the data plane's own ``spark-submit``, else the one on the PATH.
    :param python: the Python of driver and executors on the cluster.
    :param queue: YARN's queue.
    :param namespace: the namespace in Kubernetes.
    :param principal: of Kerberos.
    :param keytab: the path of its keytab.
    :param jars: jars to bring along. By default Iceberg's, where spark-submit is the data plane's own.
    :param packages: Maven coordinates to bring along. By default Iceberg's, where no jar of it is at hand; ``[]`` when
        the cluster's Spark has it.
    :param spark_conf: for every job on this engine; a request's own settings win.
    :param env: environment variables of spark-submit and the driver.
    :param staging: a place that the cluster can read, for the job library; by default ``~library`` in the job root
        where the cluster needs one.
    :param poll_interval: the least number of seconds between two questions to the master, in cluster mode.
    """

    name = "spark_submit"

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        master: str | None = None,
        deploy_mode: str | None = None,
        spark_binary: str | None = None,
        python: str | None = None,
        queue: str | None = None,
        namespace: str | None = None,
        principal: str | None = None,
        keytab: str | None = None,
        jars: Sequence[str] | None = None,
        packages: Sequence[str] | None = None,
        spark_conf: Mapping[str, str] | None = None,
        env: Mapping[str, str] | None = None,
        staging: str | None = None,
        poll_interval: float = 10.0,
        log: logging.Logger | None = None,
        cache: Path | None = None,
        find_connection: FindConnection = connection_from_environment,
    ) -> None:
        if bool(conn_id) == bool(master):
            raise EngineError(
                f"Engine 'spark_submit' has {'both' if master else 'neither'} conn_id and master; it needs one: "
                "the conn_id of a spark connection, or the cluster's master (spark://host:7077, yarn, k8s://...)"
            )
        self._conn_id = conn_id
        self._master_option = master
        self._target_options = {
            "deploy_mode": deploy_mode,
            "spark_binary": spark_binary,
            "queue": queue,
            "namespace": namespace,
            "principal": principal,
            "keytab": keytab,
        }
        self._python = python
        self._jars = _listed("jars", jars)
        self._packages = _listed("packages", packages)
        self._spark_conf = dict(spark_conf or {})
        self._env = dict(env or {})
        self._staging = staging
        self._log = log or logging.getLogger(__name__)
        self._cache = cache or cache_folder()
        self._find_connection = find_connection
        self._drivers = DriverProcesses(engine=self.name, log=self._log, cache=self._cache)
        self._runs = ClusterRuns(
            engine=self.name, master_of=self._master_of, poll_interval=poll_interval, log=self._log
        )
        if master:
            over(SparkTarget(master=master), **self._target_options).checked()

    @property
    def spark_conf(self) -> Mapping[str, str]:
        """The master and the executors' clock, with the engine's own ``spark_conf`` over them."""
        return {MASTER: self._target.master, "spark.executorEnv.TZ": "UTC", **self._spark_conf}

    def submit(self, job: SparkJob) -> RunHandle:
        """Start the job, or find the run that this request id already started.

        :raises EngineNotInstalled: there is no spark-submit.
        :raises EngineError: the connection or an option is wrong, or spark-submit refuses the job.
        """
        target = self._target
        if target.deploy_mode == CLUSTER:
            return self._submit_to_cluster(job, target)
        extras = {"master": target.master}
        return self._drivers.submit(job, lambda: self._client(job, target), extras=extras)

    def follow(self, handle: RunHandle) -> None:
        """From now on, pass the output of a driver of this machine on to the log; a cluster keeps its drivers' own."""
        if not in_cluster(handle):
            self._drivers.follow(handle)

    def state(self, handle: RunHandle) -> RunState:
        """Say where the run stands; a master is asked at most once in ``poll_interval`` seconds.

        :raises EngineError: the master has not answered several times in a row.
        """
        return self._runs.state(handle) if in_cluster(handle) else self._drivers.state(handle)

    def cancel(self, handle: RunHandle) -> None:
        """Stop the run. In cluster mode the cluster may take a moment to do it.

        :raises EngineError: the master refuses, or nothing here can ask it.
        """
        if in_cluster(handle):
            self._runs.cancel(handle)
        else:
            self._drivers.cancel(handle)

    def describe(self, handle: RunHandle) -> str:
        """Say what the run is called on which cluster, and where its driver's output is."""
        if in_cluster(handle):
            return self._runs.describe(handle)
        return f"driver of {handle.extras['master']}: {self._drivers.describe(handle)}"

    @functools.cached_property
    def _target(self) -> SparkTarget:
        if self._master_option:
            target = SparkTarget(master=self._master_option)
        else:
            target = target_of(self._find_connection(self._conn_id or ""), keytabs=self._cache / "keytabs")
        target = over(target, **self._target_options).checked()
        if target.is_local:
            refuse_on_mwaa(f"Engine 'spark_submit' with the master {target.master}")
        return target

    def _client(self, job: SparkJob, target: SparkTarget) -> Launch:
        program = find_spark_submit(target.spark_binary, self._env, cache=self._cache)
        own_python = str(program.plane.python) if program.plane is not None else None
        python = self._python or (own_python if target.is_local else None)
        archive = with_archive(program.plane, job.request.spark_conf) if program.plane is not None else {}
        conf = {"spark.pyspark.python": python, "spark.pyspark.driver.python": own_python if python else None}
        files = (str(job_library(cache=self._cache).path), str(entry_script(cache=self._cache)))
        return Launch(self._command(job, target, program, conf, archive, files), program.environment)

    def _command(
        self,
        job: SparkJob,
        target: SparkTarget,
        program: SparkSubmit,
        defaults: Mapping[str, str | None],
        settled: Mapping[str, str],
        files: tuple[str, str],
    ) -> list[str]:
        """Return the command line; a job's own properties go over ``defaults`` and below what is ``settled``."""
        request = job.request
        refuse_another_place({**conf_given(job.options), **request.spark_conf}, target, self._spark_conf)
        library, entry = files
        jars, packages = self._dependencies(request, target, program)
        if packages:
            defaults = {"spark.jars.ivy": str(self._cache / "ivy"), **defaults}
        conf = {key: value for key, value in defaults.items() if value is not None}
        conf = {**conf, **request.spark_conf, **settled}
        conf.pop(MASTER, None)
        own = {
            "name": f"lake {request.pipeline} {request.task.task_id}",
            "queue": target.queue,
            "principal": target.principal,
            "keytab": target.keytab,
            "jars": jars,
            "packages": packages,
            "py-files": [library],
        }
        return [
            program.program, "--master", target.master, "--deploy-mode", target.deploy_mode,
            *option_words(own, job.options), *conf_words(conf), entry, "--request-uri", job.request_uri,
        ]  # fmt: skip

    def _dependencies(
        self, request: JobRequest, target: SparkTarget, program: SparkSubmit
    ) -> tuple[list[str], list[str]]:
        """Return jars and packages: what the engine was told, else what brings Iceberg to this cluster."""
        if self._jars is not None or self._packages is not None:
            return self._jars or [], self._packages or []
        wanted = [ICEBERG_RUNTIME, *([SQLITE_JDBC] if request.catalog.type == "sqlite" else [])]
        if reads_avro(request):
            wanted.append(
                avro_coordinate(program.plane.spark_version) if program.plane is not None else avro_coordinate()
            )
        # A pod has none of this machine's files; it fetches what it needs itself.
        if program.plane is None or (target.is_kubernetes and target.deploy_mode == CLUSTER):
            return [], wanted
        # The driver has the jars of the data plane's Spark; executors of another Spark need Iceberg's brought along.
        jars = [] if target.is_local else [program.plane.jar(each) for each in wanted if each != SQLITE_JDBC]
        return [str(jar) for jar in jars if jar is not None], list(program.plane.missing_coordinates(wanted))

    def _submit_to_cluster(self, job: SparkJob, target: SparkTarget) -> RunHandle:
        program = find_spark_submit(target.spark_binary, self._env, cache=self._cache)
        namespace = job.request.spark_conf.get("spark.kubernetes.namespace") or target.namespace or "default"
        master = self._master(target, program, namespace, job.request.report_uri, job.request_id)

        def launch() -> Launch:
            driver_env = "spark.kubernetes.driverEnv" if target.is_kubernetes else "spark.yarn.appMasterEnv"
            defaults = {
                "spark.pyspark.python": self._python,
                **{f"{driver_env}.{name}": value for name, value in {"TZ": "UTC", **self._env}.items()},
                **master.defaults,
            }
            if "://" not in job.request_uri or job.request_uri.startswith("file://"):
                self._log.info("job_root: %s is a path, which the cluster's driver must see too", job.request_uri)
            files = self._reachable(job, target)
            command = self._command(job, target, program, defaults, master.submission(job.request_id), files)
            return Launch(command, program.environment)

        return self._runs.submit(job, target.master, master, launch)

    def _reachable(self, job: SparkJob, target: SparkTarget) -> tuple[str, str]:
        """Return job library and entry script as the cluster reaches them; each version is uploaded once."""
        library, entry = job_library(cache=self._cache).path, entry_script(cache=self._cache)
        if target.is_yarn and not self._staging:
            return str(library), str(entry)  # spark-submit uploads them itself
        root = job.request_uri.removesuffix(JobFolder("", job.request.task).document(REQUEST))
        staging = (self._staging or f"{root}/{_LIBRARY}").rstrip("/")
        store = open_store(staging)
        there = store.documents(staging)
        for path in (library, entry):
            if path.name not in there:
                store.create(f"{staging}/{path.name}", path.read_bytes())
        library_uri, entry_uri = (spark_uri(f"{staging}/{path.name}") for path in (library, entry))
        return library_uri, entry_uri

    def _master(
        self, target: SparkTarget, program: SparkSubmit, namespace: str, report_uri: str, request_id: str
    ) -> Master:
        if target.is_kubernetes:
            access = access_conf(self._spark_conf)
            return KubernetesMaster(program.program, target.master, namespace, program.environment, access)
        return yarn_master(target, program.environment, report_uri=report_uri, request_id=request_id)

    def _master_of(self, handle: RunHandle) -> Master:
        """Return the master that a run was given to, also when the engine has been pointed elsewhere since."""
        target = replace(self._target, master=handle.extras["master"])
        program = find_spark_submit(target.spark_binary, self._env, cache=self._cache)
        namespace = handle.run_id.partition(":")[0]
        return self._master(target, program, namespace, handle.extras["report"], handle.request_id)


def _listed(option: str, value: Any) -> list[str] | None:
    """Return an option that may be a list or one text with commas as a list."""
    if value is None:
        return None
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return list(value)
    raise EngineError(f"Engine 'spark_submit': {option!r} is {value!r}; expected a list of texts")

"""Which cluster ``spark_submit`` speaks to: its own options, or an Airflow ``spark`` connection's fields."""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from airflow_lake_provider.engines.connection import Connection
from airflow_lake_provider.exceptions import EngineError

CLIENT, CLUSTER = "client", "cluster"
MASTER, DEPLOY_MODE = "spark.master", "spark.submit.deployMode"
BINARIES = ("spark-submit", "spark2-submit", "spark3-submit")
"""The commands that a connection may name; Airflow's Spark provider allows these and no other."""

# By these spark-submit reaches Kubernetes. A question that leaves them out asks another cluster, or is not let in.
_ACCESS = re.compile(
    r"spark\.kubernetes\.(?:context|trust\.certificates|authenticate\.submission\..+"
    r"|submission\.(?:connection|request)Timeout)"
)


@dataclass(frozen=True)
class SparkTarget:
    """A cluster and how to submit to it. ``keytab`` is a path; ``resource_manager`` the URL of YARN's web service."""

    master: str
    deploy_mode: str = CLIENT
    spark_binary: str | None = None
    queue: str | None = None
    namespace: str | None = None
    principal: str | None = None
    keytab: str | None = None
    resource_manager: str | None = None

    @property
    def is_yarn(self) -> bool:
        """Whether it is YARN."""
        return self.master == "yarn"

    @property
    def is_kubernetes(self) -> bool:
        """Whether it is Kubernetes."""
        return self.master.startswith("k8s://")

    @property
    def is_local(self) -> bool:
        """Whether driver and executors are one process."""
        return self.master.startswith("local")

    def checked(self) -> SparkTarget:
        """Return itself.

        :raises EngineError: Spark cannot do what it asks for.
        """
        if self.deploy_mode not in (CLIENT, CLUSTER):
            raise EngineError(f"deploy_mode is {self.deploy_mode!r}; expected client or cluster")
        if self.deploy_mode == CLIENT or self.is_yarn or self.is_kubernetes:
            return self
        if self.master.startswith("spark://"):
            raise EngineError(
                f"deploy_mode 'cluster' on {self.master}: Spark's standalone clusters take no Python application in "
                "cluster mode (Spark's own limit). Use deploy_mode 'client': the driver then runs beside its task."
            )
        raise EngineError(f"deploy_mode 'cluster' on {self.master}: it works on yarn and k8s://...; use 'client' here")


def target_of(connection: Connection, *, keytabs: Path) -> SparkTarget:
    """Return what a connection says, as ``SparkSubmitHook`` of Airflow's apache-spark provider understands it.

    Host and port make the master (``yarn``, ``spark://host``, ``k8s://https://host``, ``local[*]``); a connection
    of another type gives its type as the scheme. Of the extra: ``queue``, ``deploy-mode``, ``spark-binary``,
    ``namespace``, ``principal``, ``keytab`` (the file's content in Base64) and
    ``yarn_resourcemanager_webapp_address``. ``rest-scheme`` and ``rest-port`` count for drivers on a standalone
    cluster only, which cannot be Python.

    :param keytabs: the folder to put a keytab in, for its owner alone.
    :raises EngineError: a field has a value that the provider refuses too.
    """
    where = f"Connection {connection.conn_id!r}"
    extra = connection.extra
    if extra.get("spark-home"):
        raise EngineError(
            f"{where}: `spark-home` is not allowed any more (Airflow's Spark provider refuses it as well). "
            "Put spark-submit on the PATH, or name it by the engine's option 'spark_binary'."
        )
    binary = extra.get("spark-binary") or None
    if binary is not None and binary not in BINARIES:
        raise EngineError(f"{where}: `spark-binary` is {binary!r}; expected one of {', '.join(BINARIES)}")
    address = str(extra.get("yarn_resourcemanager_webapp_address") or "").strip().rstrip("/")
    keytab = extra.get("keytab") or None
    return SparkTarget(
        master=_master(connection),
        deploy_mode=extra.get("deploy-mode") or CLIENT,
        spark_binary=binary,
        queue=extra.get("queue") or None,
        namespace=extra.get("namespace") or None,
        principal=extra.get("principal") or None,
        keytab=str(_write_keytab(where, keytab, keytabs)) if keytab else None,
        resource_manager=(address if "://" in address else f"http://{address}") if address else None,
    )


def over(target: SparkTarget, **options: str | None) -> SparkTarget:
    """Return the target with those options that are set: the engine's own win over the connection's."""
    return replace(target, **{name: value for name, value in options.items() if value is not None})


def access_conf(conf: Mapping[str, str]) -> dict[str, str]:
    """Return those of Spark's properties by which spark-submit reaches the API of Kubernetes.

    >>> access_conf({"spark.kubernetes.context": "prod", "spark.kubernetes.namespace": "etl"})
    {'spark.kubernetes.context': 'prod'}
    """
    return {key: value for key, value in conf.items() if _ACCESS.fullmatch(key)}


def refuse_another_place(conf: Mapping[str, str], target: SparkTarget, engine_conf: Mapping[str, str]) -> None:
    """See that a job's ``spark_conf`` does not lead it elsewhere: where it runs is the engine's to say.

    :param engine_conf: the engine's own properties.
    :raises EngineError: it names another master, a deploy mode, or another way to the cluster.
    """
    if conf.get(MASTER, target.master) != target.master:
        raise EngineError(
            f"spark_conf sets {MASTER} to {conf[MASTER]!r}, and the engine's master is {target.master!r}. "
            "Take it out of spark_conf; another master is another engine in lake.yaml."
        )
    if DEPLOY_MODE in conf:
        raise EngineError(f"spark_conf sets {DEPLOY_MODE}. Take it out; the engine's option is 'deploy_mode'.")
    if not target.is_kubernetes or target.deploy_mode != CLUSTER:
        return
    for key, value in access_conf(conf).items():
        if value != engine_conf.get(key):
            raise EngineError(
                f"spark_conf sets {key}, by which the cluster is reached. Set it in the spark_conf of the engine "
                "itself, in lake.yaml: who asks for a job's state has no other."
            )


def _master(connection: Connection) -> str:
    host = connection.host
    if connection.conn_type == "spark" and host and ("://" in host or not connection.port):
        master = host
    else:
        master = f"{connection.conn_type}://{host}"
    if not host and connection.conn_type != "yarn":
        raise EngineError(
            f"Connection {connection.conn_id!r} has no host; expected the master there: "
            "yarn, spark://host, k8s://https://host or local[*]"
        )
    # A URI without a host (`yarn://`) names YARN by its type alone.
    master = "yarn" if master in ("yarn://", "yarn://yarn") else master
    return f"{master}:{connection.port}" if connection.port and master != "yarn" else master


def _write_keytab(where: str, text: str, folder: Path) -> Path:
    try:
        data = base64.b64decode("".join(str(text).split()), validate=True)
    except (binascii.Error, ValueError):
        raise EngineError(f"{where}: `keytab` is no Base64; expected the output of `base64 FILE`") from None
    path = folder / f"{hashlib.sha256(data).hexdigest()[:32]}.keytab"
    if path.exists():
        return path
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        part = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        part.replace(path)
    except OSError as exc:
        raise EngineError(f"{where}: its keytab cannot be written to {folder}: {exc.strerror or exc}") from exc
    return path

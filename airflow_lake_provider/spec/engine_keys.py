"""What each type of engine takes in ``lake.yaml`` beside its ``type``.

The engine itself refuses what it does not know. The models here tell editors and readers; a test compares their keys
with the engines' own arguments.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool, StrictFloat

from airflow_lake_provider.spec.key import FilledText, Keys, Listed, Texts, key

_Pause = Annotated[StrictFloat, Field(ge=0.1, le=3600)]


class WaitingKeys(Keys):
    """What tasks on any engine do while their job runs; the engine itself takes no part in it."""

    type: str = key("The engine.", "local", default=...)
    deferrable: StrictBool | None = key(
        "Whether Airflow's tasks on this engine wait in the triggerer, where they take no worker slot; by default "
        "what Airflow's `[operators] default_deferrable` says. `lake run` waits itself.",
        True,
    )
    poll_interval: _Pause | None = key(
        "Seconds between two looks at a run; by default 1 on a worker, 5 in the triggerer.", 30
    )


class LocalEngineKeys(WaitingKeys):
    """``type: local``."""

    type: Literal["local"] = key("Spark on this machine.", "local", default=...)
    python: FilledText | None = key(
        "The Python that runs Spark; by default `LAKE_SPARK_PYTHON`, else what `lake spark install` built.",
        "/opt/spark/bin/python",
    )
    master: FilledText = key("Spark's master: how many cores to use.", "local[4]", default="local[*]")
    driver_memory: FilledText = key("The heap of the one JVM, which does all the work.", "8g", default="2g")
    spark_conf: Texts | None = key(
        "Spark properties of all jobs on this engine; a table's own go over them.", {"spark.local.dir": "/scratch"}
    )
    env: Texts | None = key("More environment variables of the driver.", {"AWS_REGION": "eu-central-1"})


class SparkSubmitEngineKeys(WaitingKeys):
    """``type: spark_submit``."""

    type: Literal["spark_submit"] = key("Spark on any cluster that spark-submit reaches.", "spark_submit", default=...)
    conn_id: FilledText | None = key(
        "An Airflow connection of the type `spark`, whose fields mean what they mean to the apache-spark provider. "
        "Either this or `master`.",
        "spark_default",
    )
    poll_interval: _Pause | None = key(
        "Seconds between two looks at a run; by default 1 on a worker, 5 in the triggerer. In cluster mode also the "
        "fewest seconds between two questions to the master, by default 10.",
        30,
    )
    master: FilledText | None = key(
        "The cluster: `spark://host:7077`, `yarn`, `k8s://https://host:6443`, `local[*]`. Either this or `conn_id`.",
        "yarn",
    )
    deploy_mode: Literal["client", "cluster"] | None = key(
        "Where the driver runs: on this machine (`client`, the default), or in the cluster (YARN and Kubernetes).",
        "cluster",
    )
    spark_binary: FilledText | None = key(
        "The spark-submit to use; by default the data plane's own, else the one on the PATH.",
        "/opt/spark/bin/spark-submit",
    )
    python: FilledText | None = key("The Python of driver and executors on the cluster.", "/usr/bin/python3")
    queue: FilledText | None = key("YARN's queue.", "etl")
    namespace: FilledText | None = key("The namespace in Kubernetes.", "spark")
    principal: FilledText | None = key("The principal of Kerberos.", "etl@EXAMPLE.COM")
    keytab: FilledText | None = key("The path of the principal's keytab.", "/etc/security/etl.keytab")
    jars: Listed[FilledText] | None = key(
        "Jars to bring along; by default Iceberg's, where spark-submit is the data plane's own.",
        ["s3://acme-lake/jars/iceberg.jar"],
    )
    packages: Listed[FilledText] | None = key(
        "Maven coordinates to bring along; by default Iceberg's, where no jar of it is at hand. `[]` where the "
        "cluster's Spark has it.",
        [],
    )
    spark_conf: Texts | None = key(
        "Spark properties of all jobs on this engine; a table's own go over them.", {"spark.executor.instances": 4}
    )
    env: Texts | None = key(
        "Environment variables of spark-submit and the driver.", {"HADOOP_CONF_DIR": "/etc/hadoop/conf"}
    )
    staging: FilledText | None = key(
        "A place that the cluster can read, for the job library; by default below `job_root`.", "s3://acme-lake/library"
    )


class InMemoryEngineKeys(WaitingKeys):
    """``type: in_memory``; what comes of a job is scripted in Python."""

    model_config = {**Keys.model_config, "extra": "allow"}

    type: Literal["in_memory"] = key("No Spark at all, for tests.", "in_memory", default=...)


ENGINE_KEYS: dict[str, type[Keys]] = {
    "local": LocalEngineKeys,
    "spark_submit": SparkSubmitEngineKeys,
    "in_memory": InMemoryEngineKeys,
}

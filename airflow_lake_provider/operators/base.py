"""What the four operators share: one task run is one job, whatever becomes of the worker in between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_lake_provider import runs
from airflow_lake_provider.engines import Engine
from airflow_lake_provider.operators.deferral import defers
from airflow_lake_provider.operators.failure import told_to_airflow
from airflow_lake_provider.operators.interval import run_interval
from airflow_lake_provider.operators.link import LakeRunLink
from airflow_lake_provider.operators.waiting import LOG, WaitingOperator
from airflow_lake_provider.plan import platform_settings
from airflow_lake_provider.protocol import Provenance, TableRequest
from airflow_lake_provider.runs.schedule import utc_text
from airflow_lake_provider.spec import Environment, Project, load_project


class LakeOperator(WaitingOperator):
    """Runs one job for one table: submits it, follows it, hands on what it reports.

    A retry continues: it waits for a job that still runs, returns the result of one that has ended well, and submits
    again only after a dead one. A clear always submits.

    :param table: ``layer.name``.
    :param environment: an environment of ``lake.yaml``; without it the chosen one (``LAKE_ENV``,
        ``default_environment``, ``local``).
    :param engine: the name of one of the environment's engines.
    :param resource_profile: a profile of ``lake.yaml``, or small, medium, large, xlarge.
    :param spark_conf: Spark's own properties; they add to the environment's, ``None`` removes one of those.
    :param engine_options: the platform's own settings, passed as they are.
    :param project_dir: a folder at or below the one that holds ``lake.yaml``; a relative one counts from the DAG
        file's folder, which is the default.
    :param deferrable: whether the task waits in the triggerer, where it takes no worker slot; by default what the
        engine's ``deferrable`` in ``lake.yaml`` says, else Airflow's ``[operators] default_deferrable``.
    :param poll_interval: seconds between two questions where the run stands; by default what the engine's
        ``poll_interval`` says, else 1 on a worker and 5 in the triggerer.
    """

    template_fields: Sequence[str] = (
        "table",
        "environment",
        "engine",
        "resource_profile",
        "spark_conf",
        "engine_options",
    )
    operator_extra_links = (LakeRunLink(),)
    ui_color = "#e3f2f1"

    def __init__(
        self,
        *,
        table: str,
        environment: str | None = None,
        engine: str = "default",
        resource_profile: str | None = None,
        spark_conf: Mapping[str, str | None] | None = None,
        engine_options: Mapping[str, Any] | None = None,
        project_dir: str | None = None,
        deferrable: bool | None = None,
        poll_interval: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.table = table
        self.environment = environment
        self.engine = engine
        self.resource_profile = resource_profile
        self.spark_conf = spark_conf
        self.engine_options = engine_options
        self.project_dir = project_dir
        self.deferrable = deferrable
        self.poll_interval = poll_interval

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the job and return the table's entry of the ``lake run --json`` document.

        :raises AirflowSkipException: the table had nothing to do and was told to skip then.
        :raises AirflowFailException: another try cannot mend it: failed checks, wrong arguments, a job that says so.
        :raises AirflowException: anything that another try may mend.
        """
        with told_to_airflow(self.task_id):
            return self._run(context)

    def request(self, *, project: Project, environment: Environment, context: Any) -> TableRequest:
        """Return what the job is asked to do; the fields are rendered.

        :raises SpecError: the arguments are wrong.
        """
        raise NotImplementedError

    def _run(self, context: Any) -> dict[str, Any]:
        project = load_project(self.base_dir)
        environment = project.environment(self.environment)
        config, engine = self._engine(environment)
        job = self._job(context, project, environment, engine, detached=defers(self.deferrable, config))
        ended = self._start_and_wait(context, job, config)
        return self._handed_on(context, environment, ended)

    def _job(
        self, context: Any, project: Project, environment: Environment, engine: Engine, *, detached: bool
    ) -> runs.TaskJob:
        ti = context["ti"]
        request = self.request(project=project, environment=environment, context=context)
        spark_conf, engine_options = platform_settings(
            environment,
            engine=self.engine,
            resource_profile=self.resource_profile,
            spark_conf=_texts(self.spark_conf or {}),
            engine_options=self.engine_options,
        )
        logical_date = context.get("logical_date")
        return runs.TaskJob(
            task=self._identity(context),
            try_number=ti.try_number,
            pipeline=ti.dag_id,
            tables=(request,),
            environment=environment,
            engine=engine,
            interval=run_interval(context),
            logical_date=utc_text(logical_date) if logical_date is not None else None,
            spark_conf=spark_conf,
            provenance=Provenance(spec_sha256=request.spec_sha256),
            log=LOG,
            engine_options=engine_options,
            detached=detached,
        )


def _texts(conf: Mapping[str, Any]) -> dict[str, str | None]:
    """Return Spark's properties as it takes them: Python's numbers and booleans as text."""
    return {
        key: value if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in conf.items()
    }

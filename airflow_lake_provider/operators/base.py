"""What the four operators share: one task run is one job, whatever becomes of the worker in between."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError

from airflow_lake_provider import runs
from airflow_lake_provider.compat import (
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    BaseOperator,
    find_connection,
)
from airflow_lake_provider.engines import Engine, RunHandle, get_engine
from airflow_lake_provider.exceptions import (
    EngineError,
    EngineNotAllowed,
    EngineNotInstalled,
    JobError,
    LakeError,
    ProtocolError,
    QualityCheckFailed,
    SpecError,
)
from airflow_lake_provider.operators.interval import fill_interval, has_interval, run_interval
from airflow_lake_provider.operators.link import LakeRunLink
from airflow_lake_provider.plan import names_interval, platform_settings
from airflow_lake_provider.protocol import JobFolder, Provenance, TableReport, TableRequest, TaskIdentity
from airflow_lake_provider.protocol.report import SKIPPED
from airflow_lake_provider.runs.schedule import utc_text
from airflow_lake_provider.spec import Environment, Project, load_project

if TYPE_CHECKING:
    import jinja2

# Airflow puts what is logged below "airflow.task" into the task's log, on all its versions.
_log = logging.getLogger("airflow.task.operators.lake")


class LakeOperator(BaseOperator):
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
    :param deferrable: not supported yet.
    :param poll_interval: seconds between two questions where the run stands.
    """

    template_fields: Sequence[str] = (
        "table",
        "environment",
        "engine",
        "resource_profile",
        "spark_conf",
        "engine_options",
    )
    source_fields: Sequence[str] = ()
    """The fields that say which rows are read: only there a template of the interval makes the rows the interval's."""

    operator_extra_links = (LakeRunLink(),)
    ui_color = "#e3f2f1"

    _started: tuple[Engine, RunHandle] | None = None
    _killed: bool = False
    _names_interval: bool = False

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
        deferrable: bool = False,
        poll_interval: float = 1.0,
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
        try:
            self._refuse_what_comes_later()
            project = load_project(self.base_dir)
            environment = project.environment(self.environment)
            delivery = self._run(context, project, environment)
            table = runs.table_result(delivery.report)
        except LakeError as exc:
            # The frames of this package say nothing to who reads the log: the message does.
            raise airflow_exception(exc) from exc.with_traceback(None)
        except OSError as exc:
            reason = EngineError(f"{self.task_id}: the project or its job folder cannot be read or written: {exc}")
            raise airflow_exception(reason) from exc.with_traceback(None)
        entry = runs.table_entry(table, delivery.report_uri)
        self.announce(context, environment, table, entry)
        runs.deliver(delivery)
        if table.status == SKIPPED:
            raise airflow_exception(table)
        return entry

    def on_kill(self) -> None:
        """Cancel the run, also one that is only being submitted at this moment."""
        self._killed = True
        if self._started is None:
            return
        engine, handle = self._started
        _log.info("Cancelling %s", engine.describe(handle))
        engine.cancel(handle)

    def request(self, *, project: Project, environment: Environment, context: Any) -> TableRequest:
        """Return what the job is asked to do; the fields are rendered.

        :raises SpecError: the arguments are wrong.
        """
        raise NotImplementedError

    def announce(self, context: Any, environment: Environment, table: TableReport, entry: Mapping[str, Any]) -> None:
        """Tell Airflow what became of the table; an operator that publishes nothing has nothing to tell."""

    def _refuse_what_comes_later(self) -> None:
        later = {
            "deferrable": (self.deferrable, "without it the task waits on its worker"),
        }
        for name, (value, instead) in later.items():
            if value:
                raise SpecError(f"{self.task_id}: {name} is not supported yet; {instead}.")

    def _run(self, context: Any, project: Project, environment: Environment) -> runs.Delivery:
        ti, engine = context["ti"], self._engine(environment)
        request = self.request(project=project, environment=environment, context=context)
        spark_conf, engine_options = platform_settings(
            environment,
            engine=self.engine,
            resource_profile=self.resource_profile,
            spark_conf=_texts(self.spark_conf or {}),
            engine_options=self.engine_options,
        )
        logical_date = context.get("logical_date")
        job = runs.TaskJob(
            task=TaskIdentity(
                dag_id=ti.dag_id,
                run_id=context["run_id"],
                task_id=ti.task_id,
                map_index=-1 if ti.map_index is None else ti.map_index,
                generation=generation(max_tries=ti.max_tries, retries=self.retries),
            ),
            try_number=ti.try_number,
            pipeline=ti.dag_id,
            tables=(request,),
            environment=environment,
            engine=engine,
            interval=run_interval(context),
            logical_date=utc_text(logical_date) if logical_date is not None else None,
            spark_conf=spark_conf,
            provenance=Provenance(spec_sha256=request.spec_sha256),
            log=_log,
            engine_options=engine_options,
        )
        ended = runs.run_job(
            job,
            poll_interval=self.poll_interval,
            on_start=lambda handle, folder: self._follow(context, engine, handle, folder),
        )
        return ended.delivery()

    def _follow(self, context: Any, engine: Engine, handle: RunHandle, folder: JobFolder) -> None:
        """Keep what cancels the run and what leads to it, as soon as it is known."""
        self._started = (engine, handle)
        context["ti"].xcom_push(key=LakeRunLink.key, value=handle.url or folder.uri)
        if self._killed:
            engine.cancel(handle)

    def _engine(self, environment: Environment) -> Engine:
        config = environment.engines.get(self.engine)
        if config is None:
            raise SpecError(
                f"{self.task_id}: engine {self.engine!r} is none of the environment {environment.name!r}; "
                f"expected one of {', '.join(sorted(environment.engines))}. Add it to `engines` in lake.yaml."
            )
        return get_engine(config.type, config.options, log=_log, find_connection=find_connection)

    @property
    def base_dir(self) -> Path:
        """Where the project is looked for, seen from this worker's copy of the DAG file."""
        return Path(self.dag.folder) / (self.project_dir or "")

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Iterable[str],
        context: Any,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Settle the run's interval before any field is rendered: Airflow's hook for mapped tasks and plain ones."""
        if parent is self:
            context.setdefault("dag_id", self.dag_id)
            fill_interval(context)
            self._check_interval(template_fields, context)
        try:
            super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        except TemplateError as exc:
            raise airflow_exception(SpecError(f"{self.task_id}: a template cannot be rendered: {exc}")) from exc

    def render_template(
        self, content: Any, context: Any, jinja_env: jinja2.Environment | None = None, seen_oids: set[int] | None = None
    ) -> Any:
        """Render the keys of mappings too, which Airflow leaves alone: a check with settings is a key."""
        rendered = super().render_template(content, context, jinja_env, seen_oids)
        if not isinstance(rendered, dict):
            return rendered
        render = super().render_template
        return {
            render(key, context, jinja_env) if isinstance(key, str) and "{" in key else key: value
            for key, value in rendered.items()
        }

    def _check_interval(self, template_fields: Iterable[str], context: Any) -> None:
        named = [field for field in template_fields if names_interval(getattr(self, field))]
        self._names_interval = not set(named).isdisjoint(self.source_fields)
        if named and not has_interval(context):
            raise airflow_exception(no_interval(self.task_id, named, context["run_id"]))


def no_interval(task_id: str, fields: Sequence[str], run_id: str) -> SpecError:
    """Return the error of a template of the interval in a run that has none."""
    return SpecError(
        f"{task_id}: {', '.join(fields)} names the data interval, and the run {run_id} has none (it was started by "
        "assets, for a partition, or by hand in a DAG without a schedule in time). Nothing was submitted. "
        "Give the DAG a schedule in time, or take the template out."
    )


def _texts(conf: Mapping[str, Any]) -> dict[str, str | None]:
    """Return Spark's properties as it takes them: Python's numbers and booleans as text."""
    return {
        key: value if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        for key, value in conf.items()
    }


def generation(*, max_tries: int, retries: int | None) -> int:
    """Return the number of the first try since the task was last cleared: it changes with each clear, with no retry.

    Airflow keeps ``max_tries`` over retries, and raises it on a clear to the tries so far plus the retries.

    >>> generation(max_tries=2, retries=2), generation(max_tries=5, retries=2)
    (1, 4)
    """
    return max(1, max_tries - (retries or 0) + 1)


def airflow_exception(cause: LakeError | TableReport) -> AirflowException:
    """Return what Airflow is to be told: the one place that decides between retry, failure and skip.

    :param cause: the error of the run; or the report of a table that was skipped.
    """
    if isinstance(cause, TableReport):
        return AirflowSkipException(f"{cause.table}: {'; '.join(cause.warnings) or 'nothing to do for this run'}")
    lasting = isinstance(cause, QualityCheckFailed | SpecError | EngineNotAllowed | EngineNotInstalled | ProtocolError)
    if lasting or (isinstance(cause, JobError) and not cause.retryable):
        return AirflowFailException(str(cause))
    return AirflowException(str(cause))

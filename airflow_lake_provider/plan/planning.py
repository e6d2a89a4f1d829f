"""From specs to plans: one pipeline, or all of a folder with what they may not do together."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from airflow_lake_provider.exceptions import SpecError, UnknownName
from airflow_lake_provider.plan.pipeline import PipelinePlan, Schedule, TablePlan
from airflow_lake_provider.plan.settings import normal_settings, task_arguments
from airflow_lake_provider.spec import (
    AssetCondition,
    Diagnostic,
    PipelineKeys,
    PipelineSpec,
    Project,
    find_specs,
    in_order,
    load_project,
    load_spec,
    names_interval,
    project_root,
)
from airflow_lake_provider.spec.lake import LAKE_YAML
from airflow_lake_provider.spec.problem import Problem
from airflow_lake_provider.spec.reading import locate
from airflow_lake_provider.spec.shown import as_written, shown
from airflow_lake_provider.spec.values import in_zone, task_id

_DAG_ARGUMENTS = (
    "tags", "owner", "owner_links", "params", "dagrun_timeout", "dag_display_name", "max_consecutive_failed_dag_runs",
)  # fmt: skip
_SHOWN = ("description", "doc", "schedule", "owner")


def plan_pipeline(
    path: Path, *, project: Project | None = None, environment: str | None = None, overrides: Sequence[str] = ()
) -> PipelinePlan:
    """Read a spec and plan it.

    :param project: by default the one that the file lies in.
    :param environment: by default the spec's own, ``LAKE_ENV``, or the project's default.
    :param overrides: ``path=value`` each, put into the spec first.
    :raises SpecError: carries every mistake of the spec.
    :raises OSError: the file is missing or unreadable.
    """
    return plan_spec(load_spec(path, project=project, environment=environment, overrides=overrides))


def plan_spec(spec: PipelineSpec) -> PipelinePlan:
    """Plan a spec that is right, for the environment that it was read for."""
    keys = spec.keys
    return PipelinePlan(
        pipeline=spec.pipeline,
        source=spec.path,
        environment=spec.environment,
        tables=tuple(_table(spec, name) for name in _dependency_order(spec.upstream)),
        description=keys.description,
        doc=keys.doc,
        schedule=_schedule(keys),
        timezone=keys.timezone,
        start_date=in_zone(keys.start_date, keys.timezone) if keys.start_date is not None else None,
        end_date=in_zone(keys.end_date, keys.timezone) if keys.end_date is not None else None,
        catchup=keys.catchup,
        max_active_runs=keys.max_active_runs,
        dag_arguments={key: value for key in _DAG_ARGUMENTS if (value := getattr(keys, key)) is not None},
        warnings=spec.warnings,
        shown={key: as_written(node) for key in _SHOWN if (node := spec.node.get(key)) is not None},
        text=spec.node.source.text,
    )


def plan_project(
    folder: Path, *, project: Project | None = None, environment: str | None = None
) -> tuple[tuple[PipelinePlan, ...], tuple[Diagnostic, ...]]:
    """Plan all specs below a folder; takes, returns and raises the same as :func:`plan_specs`."""
    return plan_specs(find_specs(folder), project=project, environment=environment)


def plan_specs(
    paths: Sequence[Path],
    *,
    project: Project | None = None,
    environment: str | None = None,
    overrides: Sequence[str] = (),
) -> tuple[tuple[PipelinePlan, ...], tuple[Diagnostic, ...]]:
    """Plan specs and see what they may not do together; one that is wrong never touches the others.

    :param project: by default the one that each spec lies in.
    :param overrides: ``path=value`` each, put into every spec first.
    :return: the plans of the good specs, by path, and everything that is wrong or doubtful. Where a ``lake.yaml`` is
        wrong there is no plan of its project.
    :raises SpecError: there is no such environment.
    """
    specs: list[PipelineSpec] = []
    diagnostics: list[Diagnostic] = []
    projects: dict[Path, Project | None] = {}
    for path in paths:
        root = project_root(path)
        try:
            if project is None and root not in projects:
                projects[root] = None  # where its lake.yaml is wrong, that is said once
                projects[root] = load_project(path)
            own = project or projects[root]
            if own is not None:
                specs.append(load_spec(path, project=own, environment=environment, overrides=overrides))
        except UnknownName as exc:
            if environment is not None or project is not None or len({project_root(path) for path in paths}) == 1:
                raise
            projects[root] = None  # LAKE_ENV is of no use to this project; the others may know it
            file = str(root / LAKE_YAML)
            diagnostics.append(Diagnostic(file, 1, 1, 1, 1, "error", "unknown-environment", str(exc)))
        except SpecError as exc:
            if not exc.diagnostics:
                raise
            diagnostics.extend(_diagnostics(exc))
        except OSError as exc:
            message = f"the file cannot be read: {exc.strerror or exc}"
            diagnostics.append(Diagnostic(str(path), 1, 1, 1, 1, "error", "unreadable", message))
    clashes = _clashes(specs)
    diagnostics.extend(diagnostic for _, diagnostic in clashes)
    wrong = {path for path, _ in clashes}
    good = [spec for spec in specs if spec.path not in wrong]
    diagnostics.extend(warning for spec in good for warning in spec.warnings)
    return tuple(plan_spec(spec) for spec in good), in_order(diagnostics)


def _diagnostics(error: SpecError) -> tuple[Diagnostic, ...]:
    return tuple(found for found in error.diagnostics if isinstance(found, Diagnostic))


def _clashes(specs: Sequence[PipelineSpec]) -> list[tuple[Path, Diagnostic]]:
    """What two pipelines may not share: the name, and tables. The one whose path sorts first keeps it.

    Tables of two projects are the same where their assets would be: a consumer could not tell one from the other.
    """
    found: list[tuple[Path, Diagnostic]] = []
    pipelines: dict[str, PipelineSpec] = {}
    tables: dict[tuple[object, str], tuple[PipelineSpec, str]] = {}
    for spec in specs:
        other = pipelines.setdefault(spec.pipeline.lower(), spec)
        if other is not spec:
            message = f"the pipeline `{spec.pipeline}` is also in {_place(other, ('pipeline',))}"
            found.append((spec.path, _at(spec, ("pipeline",), "duplicate-pipeline", message, "expected another name")))
        for table in spec.tables:
            homes = (
                (spec.project.root, table.lower()),
                ("asset", spec.environment.catalog.identifier(table).lower()),
            )
            others = [tables.setdefault(home, (spec, table)) for home in homes]
            other, name = next((found for found in others if found[0] is not spec), (spec, table))
            if other is not spec:
                place = _place(other, ("tables", name))
                message = f"the table `{table}` also belongs to the pipeline `{other.pipeline}` ({place})"
                hint = "A table belongs to one pipeline; others may read it."
                found.append((spec.path, _at(spec, ("tables", table), "duplicate-table", message, hint)))
    return found


def _place(spec: PipelineSpec, path: tuple[str, ...]) -> str:
    found = _at(spec, path, "", "", "")
    return f"{found.file}:{found.line}"


def _at(spec: PipelineSpec, path: tuple[str, ...], code: str, message: str, hint: str) -> Diagnostic:
    return locate(Problem(path, code, message, hint, at_key=len(path) > 1), spec.node)


def _table(spec: PipelineSpec, name: str) -> TablePlan:
    table = spec.tables[name]
    function = spec.functions.get(name)
    texts = [table.sql, list(table.ingest.files) if table.ingest is not None else None]
    settings = normal_settings(name, table)
    return TablePlan(
        table=name,
        task_id=task_id(name),
        settings=settings,
        upstream=spec.upstream.get(name, ()),
        inputs=spec.inputs.get(name, ()),
        task_arguments=task_arguments(table),
        folder=_folder(spec, name),
        names_interval=names_interval(texts) or (function is not None and function.names_interval),
        shown=shown({**settings, **({"owner": table.owner} if table.owner else {})}, spec.node.get("tables", name)),
    )


def _folder(spec: PipelineSpec, table: str) -> Path:
    """Return what a table's relative ``python`` is relative to: the folder of the file that names it."""
    node = spec.node.get("tables", table, "python")
    file = Path(node.source.name) if node is not None else spec.path
    return file.parent if file.is_file() else spec.path.parent


def _schedule(keys: PipelineKeys) -> Schedule | None:
    if keys.schedule is None:
        return None
    if isinstance(keys.schedule, timedelta):
        return Schedule(every=keys.schedule)
    if isinstance(keys.schedule, AssetCondition):
        return Schedule(assets=keys.schedule)
    if keys.schedule.startswith("@"):
        return Schedule(preset=keys.schedule)
    return Schedule(cron=keys.schedule)


def _dependency_order(upstream: Mapping[str, Sequence[str]]) -> list[str]:
    """Each table after those it needs; whenever several may come next, the one the spec names first."""
    place = {name: number for number, name in enumerate(upstream)}
    missing = {name: len(set(needed)) for name, needed in upstream.items()}
    readers: dict[str, list[str]] = {}
    for name, needed in upstream.items():
        for other in set(needed):
            readers.setdefault(other, []).append(name)
    ready = [place[name] for name, number in missing.items() if number == 0]
    names, order = list(upstream), list[str]()
    heapq.heapify(ready)
    while ready:
        name = names[heapq.heappop(ready)]
        order.append(name)
        for reader in readers.get(name, ()):
            missing[reader] -= 1
            if missing[reader] == 0:
                heapq.heappush(ready, place[reader])
    return order

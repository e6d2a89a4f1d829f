"""The loader pair: one file brings the good DAGs, the other one's import error lists what is wrong.

An import error in the file that brings the DAGs would take all of them down: on Airflow 3 each import error marks
every DAG of its file stale, and an exception at the top of a file loads none of its DAGs.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping, Sequence
from pathlib import Path
from typing import Any

from airflow_lake_provider.compat import DAG, get_parsing_context
from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.factory.dag import build_dag
from airflow_lake_provider.factory.report import error_dag, has_reporter
from airflow_lake_provider.plan import PipelinePlan, plan_pipeline, plan_project
from airflow_lake_provider.spec import Diagnostic, find_specs, render_diagnostics


def load_lake_dags(module_globals: MutableMapping[str, Any], *, specs: str | None = None) -> None:
    """Put the DAG of each good spec into the module that calls, so that Airflow finds them there.

    On a worker only the DAG that the task belongs to is built. Wrong specs are left out;
    :func:`raise_lake_dag_errors` in another file names them. Where no file beside this one calls that, they are the
    documentation of one paused DAG, ``lake_spec_errors``.

    :param module_globals: the caller's ``globals()``.
    :param specs: the folder to read, from the caller's file; by default that file's own folder.
    """
    folder = _folder(module_globals, specs)
    wanted = get_parsing_context().dag_id
    if wanted is not None and (dag := _only(folder, wanted)) is not None:
        module_globals[dag.dag_id] = dag
        return
    dags, errors = _build(folder)
    module_globals.update((dag.dag_id, dag) for dag in dags)
    if errors and not has_reporter(Path(module_globals["__file__"]), folder):
        _show(module_globals, errors)


def raise_lake_dag_errors(module_globals: MutableMapping[str, Any], *, specs: str | None = None) -> None:
    """Raise one error that lists every mistake in the specs: this file's import error in the Airflow UI.

    Call it in a file of its own. In a file that also brings DAGs it raises nothing, as that would take them down; the
    mistakes are then the documentation of the paused DAG ``lake_spec_errors``.

    :param module_globals: the caller's ``globals()``.
    :param specs: the folder to read, from the caller's file; by default that file's own folder.
    :raises SpecError: a spec that makes a DAG is wrong.
    """
    if get_parsing_context().dag_id is not None:
        return
    _, errors = _build(_folder(module_globals, specs))
    if not errors:
        return
    if any(isinstance(value, DAG) for value in module_globals.values()):
        _show(module_globals, errors)
        return
    raise SpecError("\n" + render_diagnostics(errors), diagnostics=tuple(errors))


def _build(folder: Path) -> tuple[list[DAG], list[Diagnostic]]:
    """Return the DAGs of the good specs, and what is wrong with the others.

    The reporter builds the DAGs too: what Airflow alone refuses in one of them must be reported, and not be raised
    where it would take down the rest.
    """
    try:
        plans, diagnostics = plan_project(folder)
    except SpecError as exc:  # lake.yaml is wrong: there is no good spec, and the reporter is the one to say so
        return [], _located(exc, folder)
    dags, errors = [], [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
    for plan in plans:
        try:
            dag = build_dag(plan)
            dag.validate()  # type: ignore[no-untyped-call]
        except Exception as exc:
            errors.append(_refused(plan, exc))
        else:
            dags.append(dag)
    return dags, errors


def _located(error: SpecError, folder: Path) -> list[Diagnostic]:
    found = [diagnostic for diagnostic in error.diagnostics if isinstance(diagnostic, Diagnostic)]
    return found or [Diagnostic(str(folder), 1, 1, 1, 1, "error", "project", str(error))]


def _refused(plan: PipelinePlan, error: Exception) -> Diagnostic:
    return Diagnostic(
        file=str(plan.source),
        line=1,
        column=1,
        end_line=1,
        end_column=1,
        severity="error",
        code="airflow",
        message=f"Airflow refuses the DAG {plan.pipeline}: {error}",
        hint="expected arguments that Airflow takes; it names the one it does not",
    )


def _folder(module_globals: MutableMapping[str, Any], specs: str | None) -> Path:
    folder = Path(module_globals["__file__"]).resolve().parent / (specs or "")
    if not folder.is_dir():
        raise SpecError(
            f"{module_globals['__file__']}: specs={specs!r} is not a folder; expected one, seen from this file."
        )
    return folder.resolve()


def _only(folder: Path, dag_id: str) -> DAG | None:
    """Return the one DAG asked for, without looking at the others' contents.

    ``None`` when no spec names it in plain sight; all specs are then read.
    """
    line = re.compile(rf"""^pipeline:\s*(["']?){re.escape(dag_id)}\1\s*(?:#.*)?$""", re.MULTILINE)
    for path in find_specs(folder):
        if line.search(path.read_text(encoding="utf-8", errors="replace")):
            return build_dag(plan_pipeline(path))
    return None


def _show(module_globals: MutableMapping[str, Any], errors: Sequence[Diagnostic]) -> None:
    dag = error_dag(render_diagnostics(errors))
    module_globals[dag.dag_id] = dag

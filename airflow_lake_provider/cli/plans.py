"""Plans of what a command names: one spec, or all of a folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from airflow_lake_provider.plan import PipelinePlan


def plans_of(
    path: Path, *, environment: str | None, project_folder: Path | None, overrides: Sequence[str] = ()
) -> Sequence[PipelinePlan]:
    """Plan a spec, or all below a folder, by path; warnings of a single spec go to stderr.

    :raises SpecError: one of them is wrong.
    :raises UsageError: there is none, or values are to be set in a folder.
    """
    from airflow_lake_provider.exceptions import SpecError
    from airflow_lake_provider.plan import plan_pipeline, plan_project
    from airflow_lake_provider.spec import load_project, render_diagnostics

    project = load_project(project_folder) if project_folder is not None else None
    if not path.is_dir():
        plan = plan_pipeline(path, project=project, environment=environment, overrides=overrides)
        if plan.warnings:
            click.echo(render_diagnostics(plan.warnings), err=True)
        return [plan]
    if overrides:
        raise click.UsageError(f"--set changes one spec; {path} is a folder")
    plans, diagnostics = plan_project(path, project=project, environment=environment)
    errors = tuple(diagnostic for diagnostic in diagnostics if diagnostic.is_error)
    if errors:
        raise SpecError(render_diagnostics(errors), diagnostics=errors)
    if not plans:
        raise click.UsageError(f"there is no spec below {path}: no *.yaml with the key 'pipeline'")
    return plans

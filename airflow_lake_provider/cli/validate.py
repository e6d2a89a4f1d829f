"""``lake validate``: are the specs right, and if not, where."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from airflow_lake_provider.cli.options import (
    environment_option,
    examples,
    json_option,
    print_json,
    project_option,
    readable_path,
    set_option,
    shows_colors,
)

if TYPE_CHECKING:
    from airflow_lake_provider.spec import Diagnostic

_FIELDS = ("file", "line", "column", "end_line", "end_column", "severity", "code", "message", "hint")


@click.command(
    short_help="Check specs and show every mistake with its place.",
    epilog=examples("lake validate dag_specs/orders.yaml", "lake validate . --env prod --json"),
)
@click.argument(
    "paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path), callback=readable_path
)
@environment_option
@set_option
@project_option
@json_option
def validate(
    paths: tuple[Path, ...],
    environment: str | None,
    overrides: tuple[str, ...],
    project_folder: Path | None,
    as_json: bool,
) -> None:
    """Check specs without running anything, and show every mistake with its place and what was expected.

    PATH is a spec, or a folder: then all specs below it are checked. Several are checked for what they may not do
    together too: the same pipeline twice, a table in two pipelines. Warnings leave a spec valid. Nothing in a spec is
    run or imported.
    """
    from airflow_lake_provider.spec import render_diagnostics

    specs = _specs(paths)
    if overrides and any(path.is_dir() for path in paths):
        raise click.UsageError(f"--set changes one spec; {next(filter(Path.is_dir, paths))} is a folder")
    diagnostics = _check(specs, environment=environment, overrides=overrides, project_folder=project_folder)
    files = len(specs)
    errors = [diagnostic for diagnostic in diagnostics if diagnostic.is_error]
    if as_json:
        print_json({"valid": not errors, "files": files, "diagnostics": [_plain(d) for d in diagnostics]})
    elif diagnostics:
        click.echo(render_diagnostics(diagnostics, color=shows_colors(sys.stderr)), err=True)
    if not as_json:
        click.echo(_summary(files, errors, warnings=len(diagnostics) - len(errors)), err=bool(errors))
    if errors:
        raise click.exceptions.Exit(1)


def _specs(paths: Sequence[Path]) -> Sequence[Path]:
    """Return the specs that the paths stand for, each once."""
    from airflow_lake_provider.spec import find_specs

    found: dict[str, Path] = {}
    for path in paths:
        below = find_specs(path) if path.is_dir() else [path]
        if not below:
            raise click.UsageError(f"there is no spec below {path}: no *.yaml with the key 'pipeline'")
        for spec in below:
            found.setdefault(os.path.abspath(spec), spec)
    return list(found.values())


def _check(
    specs: Sequence[Path], *, environment: str | None, overrides: Sequence[str], project_folder: Path | None
) -> Sequence[Diagnostic]:
    """Return what is wrong or doubtful in the specs, each alone and together."""
    from airflow_lake_provider.exceptions import SpecError, UnknownName
    from airflow_lake_provider.plan import plan_specs
    from airflow_lake_provider.spec import load_project

    try:
        project = load_project(project_folder) if project_folder is not None else None
        return plan_specs(specs, project=project, environment=environment, overrides=overrides)[1]
    except UnknownName:
        raise  # of what was asked for, not of a spec
    except SpecError as exc:
        return _diagnostics_of(exc, specs[0])


def _diagnostics_of(error: Exception, path: Path) -> Sequence[Diagnostic]:
    """The located mistakes of an error; one that has no place of its own is the whole file's."""
    from airflow_lake_provider.spec import Diagnostic

    located = [found for found in getattr(error, "diagnostics", ()) if isinstance(found, Diagnostic)]
    return located or [Diagnostic(str(path), 1, 1, 1, 1, "error", "invalid", str(error))]


def _plain(diagnostic: Diagnostic) -> dict[str, Any]:
    return {field: getattr(diagnostic, field) for field in _FIELDS}


def _summary(files: int, errors: Sequence[Diagnostic], *, warnings: int) -> str:
    doubts = f", {_count(warnings, 'warning')}" if warnings else ""
    if errors:
        wrong = len({diagnostic.file for diagnostic in errors})
        return f"{_count(len(errors), 'error')} in {_count(wrong, 'file')}{doubts}"
    return f"{_count(files, 'spec')} valid{doubts}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

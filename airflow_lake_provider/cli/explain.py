"""``lake explain``: what a spec comes to, and where each value is from."""

from __future__ import annotations

from dataclasses import asdict
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
)

if TYPE_CHECKING:
    from airflow_lake_provider.spec.explain import Value


@click.command(
    short_help="Show what a spec comes to, and where each value is from.",
    epilog=examples(
        "lake explain dag_specs/orders.yaml",
        "lake explain dag_specs/orders.yaml tables.silver.orders.write",
        "lake explain dag_specs/orders.yaml --env prod --json",
    ),
)
@click.argument("spec", type=click.Path(path_type=Path, dir_okay=False), callback=readable_path)
@click.argument("part", metavar="[KEY.PATH]", required=False)
@environment_option
@set_option
@project_option
@json_option
def explain(
    spec: Path,
    part: str | None,
    environment: str | None,
    overrides: tuple[str, ...],
    project_folder: Path | None,
    as_json: bool,
) -> None:
    """Show SPEC with all that it extends, its variables, defaults, layers, profiles and environment put in.

    Beside each value stands the file and line that it comes from, or "built in". What is shown is a spec itself: saved
    beside SPEC it makes the same pipeline. KEY.PATH shows a part: tables.silver.orders.columns; items of a list go by
    their number, from 0. Values of environment variables that look like secrets are not shown.
    """
    from airflow_lake_provider.spec import load_project, load_spec
    from airflow_lake_provider.spec.explain import explain as explained

    project = load_project(project_folder) if project_folder is not None else None
    read = load_spec(spec, project=project, environment=environment, overrides=overrides)
    found = explained(read, asked=environment)
    if part is not None:
        found = found.part(part)
    if not as_json:
        click.echo(found.yaml(), nl=False)
        return
    values = [_plain(value) for value in found.values()]
    print_json({"pipeline": read.pipeline, "environment": read.environment.name, "values": values})


def _plain(value: Value) -> dict[str, Any]:
    plain = asdict(value)
    if isinstance(value.value, float) and value.value - value.value != 0:
        plain["value"] = str(value.value)  # JSON has no infinity, and nothing that is no number
    return plain

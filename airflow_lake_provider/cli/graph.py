"""``lake graph``: which tables are made from which, across pipelines."""

from __future__ import annotations

from pathlib import Path

import click

from airflow_lake_provider.cli.options import environment_option, examples, project_option, readable_path
from airflow_lake_provider.cli.plans import plans_of
from airflow_lake_provider.exceptions import SpecError


@click.command(
    short_help="Draw which tables are made from which.",
    epilog=examples("lake graph dag_specs/orders.yaml", "lake graph . --format dot | dot -Tsvg > lake.svg"),
)
@click.argument(
    "paths", metavar="SPEC...", nargs=-1, required=True, type=click.Path(path_type=Path), callback=readable_path
)
@click.option(
    "--format",
    "language",
    type=click.Choice(["mermaid", "dot"]),
    default="mermaid",
    show_default=True,
    help="The language: Mermaid's, or Graphviz's.",
)
@environment_option
@project_option
def graph(paths: tuple[Path, ...], language: str, environment: str | None, project_folder: Path | None) -> None:
    """Draw the tables of each SPEC, or of all specs below a folder: which are made from which, and from what files.

    A solid arrow leads from what is read to what reads it, a dotted one from a table to the pipeline that it starts.
    Tables of other specs and external ones stand outside, dashed. The same specs give the same text.
    """
    from airflow_lake_provider.plan.graph import dot, lineage, mermaid

    plans = {
        plan.source.resolve(): plan
        for path in paths
        for plan in plans_of(path, environment=environment, project_folder=project_folder)
    }
    places: dict[str, Path] = {}
    for plan in plans.values():
        for table in plan.tables:
            other = places.setdefault(table.table.lower(), plan.source)
            if other is not plan.source:
                raise SpecError(
                    f"{plan.source}: the table `{table.table}` is also in {other}; a table belongs to one pipeline"
                )
    drawn = lineage(plans.values())
    click.echo(mermaid(drawn) if language == "mermaid" else dot(drawn), nl=False)

"""``lake schema``: the language as JSON Schema, for editors."""

from __future__ import annotations

import click

from airflow_lake_provider.cli.options import examples

SCHEMA_FOLDER = ".lake-schema"
"""Where a project keeps the schemas that its files name; no loader looks into it."""


@click.command(
    short_help="Print the JSON Schema of specs, for editors.",
    epilog=examples(
        f"lake schema > {SCHEMA_FOLDER}/pipeline.schema.json",
        f"lake schema --lake-yaml > {SCHEMA_FOLDER}/lake.schema.json",
    ),
)
@click.option("--lake-yaml", is_flag=True, help="The schema of lake.yaml in place of that of specs.")
def schema(lake_yaml: bool) -> None:
    """Print the JSON Schema of specs, which gives editors completion, explanations and marks below mistakes.

    'lake init' writes it into the project; after an upgrade of the package, write it again:
    """
    from airflow_lake_provider.spec.json_schema import LAKE, PIPELINE, committed_schema

    click.echo(committed_schema(LAKE if lake_yaml else PIPELINE), nl=False)

"""``lake init``: a project that works."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import click

from airflow_lake_provider.cli.options import examples
from airflow_lake_provider.cli.sample import SPEC, sample_project


@click.command(
    short_help="Write a working project: loaders, a spec, sample data.",
    epilog=examples("lake init my-lake"),
)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
def init(folder: Path) -> None:
    """Write a working project into DIR: the two files that Airflow loads, lake.yaml, a spec, sample data, schemas.

    DIR may exist; files that are there are never overwritten: then nothing is written.
    """
    files = sample_project()
    there = [name for name in files if (folder / name).exists()]
    if there:
        raise click.UsageError(f"{folder} has {', '.join(there)} already; nothing was written. Name another folder.")
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        click.echo(f"wrote {path}", err=True)
    spec = shlex.quote(os.path.join(folder, SPEC))
    click.echo(f"Now check the spec and make its tables:\n\n  lake validate {spec}\n  lake run {spec}")

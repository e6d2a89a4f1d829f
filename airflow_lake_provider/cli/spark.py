"""``lake spark``: the data plane's Python."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(short_help="Install Spark, Soda and the jars that jobs need.")
def spark() -> None:
    """Manage the Python environment in which jobs run: Spark never shares one with Airflow."""


@spark.command(short_help="Build the environment in which jobs run.")
@click.option(
    "--path", metavar="DIR", type=click.Path(path_type=Path), help="Build it here in place of the user's cache folder."
)
@click.option("--force", is_flag=True, help="Build it anew even if it is there and whole.")
def install(path: Path | None, force: bool) -> None:
    """Build a Python environment with Spark 3.5, Soda, the Iceberg jars, and a Java where the system has no Java 17.

    Takes some minutes and about 700 MB the first time, and nothing when it is there already. With --path, tell the
    engine of it: LAKE_SPARK_PYTHON=DIR/bin/python, or 'python' of the engine in lake.yaml.
    """
    from airflow_lake_provider.engines.install import install_data_plane

    plane = install_data_plane(path=path, force=force, say=lambda text: click.echo(text, err=True))
    if path is not None:
        click.echo(f"export LAKE_SPARK_PYTHON={plane.python}")

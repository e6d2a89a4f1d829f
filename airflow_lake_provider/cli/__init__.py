"""The command line ``lake``; it needs no Airflow. Heavy imports happen inside the commands."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from airflow_lake_provider import __version__
from airflow_lake_provider.cli.catalog import catalog
from airflow_lake_provider.cli.explain import explain
from airflow_lake_provider.cli.graph import graph
from airflow_lake_provider.cli.init import init
from airflow_lake_provider.cli.run import run
from airflow_lake_provider.cli.schema import schema
from airflow_lake_provider.cli.spark import spark
from airflow_lake_provider.cli.tables import tables
from airflow_lake_provider.cli.validate import validate
from airflow_lake_provider.exceptions import LakeError, UnknownName

GOOD, BAD, USAGE = 0, 1, 2
"""The exit codes: the work is done; it failed or a spec is invalid; wrong usage or unreadable input."""

_EPILOG = """\b
Environment variables:
  LAKE_ENV           the environment of lake.yaml to use (--env wins)
  LAKE_HOME          where the local environment keeps its state (.lake in the project)
  LAKE_CACHE         where Spark, jars and the job library are kept (~/.cache/airflow-lake-provider)
  LAKE_SPARK_PYTHON  a Python with pyspark 3.5, in place of the one of 'lake spark install'

\b
Exit codes: 0 good, 1 the work failed or a spec is invalid, 2 wrong usage or unreadable input.

\b
The first steps:
  lake spark install
  lake init my-lake
"""


class _Commands(click.Group):
    """Lists the commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="lake")
def lake() -> None:
    """Turn YAML specs into audited, published Apache Iceberg tables.

    A spec names tables and how they come about. 'lake validate' checks it, 'lake run' makes the tables with Spark,
    'lake tables' shows what is there. The same spec becomes an Airflow DAG where Airflow loads the project.
    """


for command in (init, validate, explain, graph, run, tables, catalog, schema, spark):
    lake.add_command(command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit; what the package raises on purpose becomes one message on stderr."""
    try:
        # Without its standalone mode click returns the code of an Exit, and else what the command returned: None.
        code = lake.main(args=arguments, prog_name="lake", standalone_mode=False)
    except click.ClickException as exc:
        exc.show()
        sys.exit(USAGE)
    except LakeError as exc:
        click.echo(str(exc), err=True)
        sys.exit(USAGE if isinstance(exc, UnknownName) else BAD)
    except OSError as exc:
        place = f"{exc.filename}: " if exc.filename else ""
        click.echo(f"{place}{exc.strerror or exc}", err=True)
        sys.exit(USAGE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("Stopped.", err=True)
        sys.exit(BAD)
    sys.exit(code or GOOD)

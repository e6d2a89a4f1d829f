"""``lake run``: make the tables of a spec, without Airflow."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

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
from airflow_lake_provider.cli.plans import plans_of

if TYPE_CHECKING:
    from airflow_lake_provider.plan import PipelinePlan
    from airflow_lake_provider.protocol import DataInterval


def _time(context: click.Context, parameter: click.Parameter, value: str | None) -> datetime | None:
    try:
        return None if value is None else datetime.fromisoformat(value)
    except ValueError as exc:
        raise click.BadParameter(
            f"{value!r} is no ISO date or time; expected one such as 2026-01-31 or 2026-01-31T06:00",
            ctx=context,
            param=parameter,
        ) from exc


@click.command(
    short_help="Make a spec's tables with Spark.",
    epilog=examples(
        "lake run dag_specs/orders.yaml",
        "lake run dag_specs/orders.yaml --data-interval-start 2026-01-01 --data-interval-end 2026-01-02",
        "lake run dag_specs/orders.yaml --table silver.orders --json | jq .status",
    ),
)
@click.argument("spec", type=click.Path(path_type=Path), callback=readable_path)
@click.option("--table", "-t", "tables", metavar="LAYER.NAME", multiple=True, help="Only this table. May be repeated.")
@click.option(
    "--data-interval-start",
    "start",
    metavar="ISO",
    callback=_time,
    help="The run's data interval, from; without an offset in the pipeline's time zone.",
)
@click.option(
    "--data-interval-end", "end", metavar="ISO", callback=_time, help="The run's data interval, up to and without."
)
@click.option("--full-refresh", is_flag=True, help="Rebuild the tables, each in one publish.")
@click.option("--isolated", is_flag=True, help="One Spark application per table in place of one for all.")
@environment_option
@set_option
@project_option
@json_option
def run(
    spec: Path,
    tables: tuple[str, ...],
    start: datetime | None,
    end: datetime | None,
    full_refresh: bool,
    isolated: bool,
    environment: str | None,
    overrides: tuple[str, ...],
    project_folder: Path | None,
    as_json: bool,
) -> None:
    """Make the tables of SPEC with Spark, in dependency order: read, check, publish, or leave as they are.

    Without an interval it is the last complete one of the schedule. Running the same again changes nothing (no_op).
    A table that fails takes those that read it along (upstream_failed); the others go on. SPEC may be a folder: then
    all its pipelines run. Ctrl-C stops the job.
    """
    if (start is None) != (end is None):
        raise click.UsageError("--data-interval-start and --data-interval-end come together")
    from airflow_lake_provider.cli.run_view import open_view
    from airflow_lake_provider.runs import run_pipeline

    found = plans_of(spec, environment=environment, project_folder=project_folder, overrides=overrides)
    plans = _in_order(found)
    if tables and len(plans) > 1:
        raise click.UsageError(f"--table needs one spec; {spec} holds {len(plans)}")
    intervals = [_interval(plan, start, end) for plan in plans]
    documents = []
    with _stopped_by_sigterm():
        for plan, interval in zip(plans, intervals, strict=True):
            with open_view(plan, tables=tables) as view:
                document = run_pipeline(
                    plan,
                    interval=interval,
                    tables=tables,
                    full_refresh=full_refresh,
                    isolated=isolated,
                    log=view.log,
                    on_table=view.on_table,
                )
            documents.append(document)
            view.show(document)
    if as_json:
        print_json(documents if spec.is_dir() else documents[0])
    if any(document["status"] != "success" for document in documents):
        raise click.exceptions.Exit(1)


def _in_order(plans: Sequence[PipelinePlan]) -> list[PipelinePlan]:
    """Sort pipelines so that each comes after those whose tables it reads; rings stay in the order of their names."""
    home = {table.table: plan.pipeline for plan in plans for table in plan.tables}
    needs = {
        plan.pipeline: {home[name] for table in plan.tables for name in table.inputs if name in home} - {plan.pipeline}
        for plan in plans
    }
    waiting = sorted(plans, key=lambda plan: plan.pipeline)
    ordered: list[PipelinePlan] = []
    while waiting:
        done = {plan.pipeline for plan in ordered}
        ready = next((plan for plan in waiting if needs[plan.pipeline] <= done), waiting[0])
        ordered.append(ready)
        waiting.remove(ready)
    return ordered


def _interval(plan: PipelinePlan, start: datetime | None, end: datetime | None) -> DataInterval | None:
    """Return the interval that was given, in UTC; ``None`` leaves it to the schedule."""
    from zoneinfo import ZoneInfo

    from airflow_lake_provider.protocol import DataInterval
    from airflow_lake_provider.runs import last_interval, utc_text

    if start is None or end is None:
        if plan.schedule is not None and last_interval(plan) is None:
            raise click.UsageError(
                f"{plan.pipeline} has no complete interval yet: its schedule begins at {plan.start_date}. "
                "Give one: --data-interval-start and --data-interval-end"
            )
        return None
    zone = ZoneInfo(plan.timezone)
    ends = [moment if moment.tzinfo else moment.replace(tzinfo=zone) for moment in (start, end)]
    if ends[0] >= ends[1]:
        raise click.UsageError("--data-interval-end must be after --data-interval-start")
    return DataInterval(start=utc_text(ends[0]), end=utc_text(ends[1]))


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C: the job is cancelled before this process ends."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

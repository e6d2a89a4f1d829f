"""What a person sees of a run: a live table on a terminal, plain lines elsewhere; all on stderr."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from airflow_lake_provider.plan import PipelinePlan
    from airflow_lake_provider.protocol import TableReport

_COLORS = {
    "published": "green",
    "no_op": "cyan",
    "skip_publish": "yellow",
    "skipped": "yellow",
    "failed": "bold red",
    "upstream_failed": "red",
}
_COUNTS = ("rows_read", "rows_applied", "rows_unchanged", "rows_quarantined")


class View(Protocol):
    """Follows one run."""

    log: logging.Logger

    def on_table(self, table: TableReport) -> None:
        """Take a table's report as soon as it is there."""

    def show(self, document: Mapping[str, Any]) -> None:
        """Show how the run ended."""


@contextmanager
def open_view(plan: PipelinePlan, *, tables: Sequence[str]) -> Iterator[View]:
    """Open the view that fits where stderr goes."""
    names = [table.table for table in plan.tables if not tables or table.table in tables]
    if not sys.stderr.isatty():
        yield _Lines()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(stderr=True)
    view = _Live(plan.pipeline, names, console)
    with Live(get_renderable=view.table, console=console, refresh_per_second=4, transient=True):
        yield view


class _Lines:
    """One line per event."""

    def __init__(self) -> None:
        self.log = _logger(logging.StreamHandler(sys.stderr))

    def on_table(self, table: TableReport) -> None:
        """The job says so itself, in the log."""

    def show(self, document: Mapping[str, Any]) -> None:
        for entry in document["tables"]:
            click.echo(_line(entry), err=True)
        for text in _errors(document):
            click.echo(text, err=True)
        click.echo(f"{document['pipeline']}: {document['status']}", err=True)


class _Live:
    """A table that grows with the run; the log scrolls above it."""

    def __init__(self, pipeline: str, names: Sequence[str], console: Console) -> None:
        from rich.logging import RichHandler
        from rich.spinner import Spinner

        self._pipeline = pipeline
        self._console = console
        self._statuses: dict[str, str] = dict.fromkeys(names, "")
        self._seconds: dict[str, float] = {}
        self._spinner = Spinner("dots", "running")
        self.log = _logger(RichHandler(console=console, show_path=False, show_level=False, log_time_format="%H:%M:%S"))

    def on_table(self, table: TableReport) -> None:
        self._statuses[table.table] = table.status
        self._seconds[table.table] = table.seconds

    def table(self) -> Any:
        from rich.table import Table

        shown = Table(title=self._pipeline, title_justify="left", box=None, padding=(0, 2, 0, 0))
        for heading in ("table", "status", "seconds"):
            shown.add_column(heading)
        running = next((name for name, status in self._statuses.items() if not status), None)
        for name, status in self._statuses.items():
            seconds = f"{self._seconds[name]:.1f}" if name in self._seconds else ""
            what: Any = self._spinner if name == running else _painted(status or "waiting")
            shown.add_row(name, what, seconds)
        return shown

    def show(self, document: Mapping[str, Any]) -> None:
        self._console.print(_final_table(document))
        for text in _errors(document):
            self._console.print(text, markup=False, highlight=False)


def _logger(handler: logging.Handler) -> logging.Logger:
    """A logger of the command's own: other libraries' loggers stay silent."""
    log = logging.Logger("lake", level=logging.INFO)
    if not isinstance(handler, logging.StreamHandler):
        log.addHandler(handler)
        return log
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", datefmt="%H:%M:%S"))
    log.addHandler(handler)
    return log


def _painted(status: str) -> Any:
    from rich.text import Text

    return Text(status, style=_COLORS.get(status, "dim"))


def _final_table(document: Mapping[str, Any]) -> Table:
    from rich.table import Table

    shown = Table(
        title=f"{document['pipeline']}: {document['status']}", title_justify="left", box=None, padding=(0, 2, 0, 0)
    )
    for heading in ("table", "status", "strategy"):
        shown.add_column(heading)
    for heading in ("read", "applied", "unchanged", "quarantined", "checks", "seconds"):
        shown.add_column(heading, justify="right")
    for entry in document["tables"]:
        counts = ["" if entry[count] is None else f"{entry[count]:,}" for count in _COUNTS]
        shown.add_row(
            entry["table"], _painted(entry["status"]), entry["strategy"] or "", *counts, _checks(entry),
            f"{entry['seconds']:.1f}",
        )  # fmt: skip
    return shown


def _line(entry: Mapping[str, Any]) -> str:
    counts = [f"{entry[count]:,} {count[5:]}" for count in _COUNTS if entry[count] is not None]
    checks = f"checks {_checks(entry)}" if entry["checks"] else ""
    return f"{entry['table']}: " + ", ".join(part for part in (entry["status"], *counts, checks) if part)


def _checks(entry: Mapping[str, Any]) -> str:
    checks = entry["checks"]
    if not checks:
        return ""
    return f"{sum(check['outcome'] == 'pass' for check in checks)}/{len(checks)}"


def _errors(document: Mapping[str, Any]) -> list[str]:
    """Each different error once, with the tables it befell."""
    befell: dict[str, list[str]] = {}
    for entry in document["tables"]:
        if entry["error"] is not None:
            befell.setdefault(entry["error"]["message"], []).append(entry["table"])
    return [
        f"\n{', '.join(names)}: {message}" if names[0] not in message else f"\n{message}"
        for message, names in befell.items()
    ]

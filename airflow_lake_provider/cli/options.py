"""Options and arguments that several commands share."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """Return an epilog that shows how a command is used, its lines as they are."""
    return "\n".join(["\b", "Example:" if len(lines) == 1 else "Examples:", *(f"  {line}" for line in lines)])


def readable_path(context: click.Context, parameter: click.Parameter, value: Any) -> Any:
    """Refuse what is missing or unreadable as wrong usage; takes one path or many."""
    paths = value if isinstance(value, tuple) else (value,)
    for path in paths:
        if path is None:
            continue
        try:
            if path.is_dir():
                next(path.iterdir(), None)
            elif path.exists() and not path.is_file():
                raise OSError(errno.EINVAL, "is no file")  # to open a pipe would wait for its writer
            else:
                path.open("rb").close()
        except OSError as exc:
            raise click.BadParameter(f"{path}: {exc.strerror or exc}", ctx=context, param=parameter) from exc
    return value


def shows_colors(stream: IO[str]) -> bool:
    """Whether to paint what is written: to a terminal that can, for a person who wants it (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def environment_option(command: F) -> F:
    """Add ``--env``."""
    return click.option(
        "--env", "environment", metavar="NAME", help="The environment of lake.yaml; else the spec's, LAKE_ENV, local."
    )(command)


def project_option(command: F) -> F:
    """Add ``--project``."""
    return click.option(
        "--project",
        "project_folder",
        metavar="DIR",
        type=click.Path(path_type=Path),
        callback=readable_path,
        help="A folder at or below the one that holds lake.yaml; else it is looked for from the spec upwards.",
    )(command)


def set_option(command: F) -> F:
    """Add ``--set``."""
    return click.option(
        "--set",
        "overrides",
        metavar="PATH=VALUE",
        multiple=True,
        help="Put a value into the spec first, typed as YAML: --set tables.silver.a.quarantine=false. May be repeated.",
    )(command)


def json_option(command: F) -> F:
    """Add ``--json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON document to stdout; everything else goes to stderr."
    )(command)


def print_json(document: Any) -> None:
    """Print a command's document, the one thing on stdout."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))

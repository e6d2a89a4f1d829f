"""What Airflow's pages say about a pipeline and its tables, as Markdown.

The texts speak of the spec alone: of no path of the machine that parsed it, and of no value of an environment variable.
They say the same for equal plans, or each parse would make a new version of the DAG.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from airflow_lake_provider.factory.groups import layer_groups
from airflow_lake_provider.plan import PipelinePlan, TablePlan
from airflow_lake_provider.protocol import Quarantine
from airflow_lake_provider.spec.layers import quarantine_table

_MOST_NAMES = 4
"""How many names a cell of a table holds; of more it says how many."""

_NO_OPTIONS = frozenset({"strategy"})


def dag_documentation(plan: PipelinePlan) -> str:
    """Return the pipeline's ``doc``; where it has none, what the spec says in its other keys."""
    if plan.shown.get("doc"):
        return _raw_text(str(plan.shown["doc"]))
    return "\n".join(_pipeline(plan)) + "\n"


def task_documentation(plan: PipelinePlan, table: TablePlan) -> str:
    """Return what a table is made of, what it has to be like, and how it is written.

    :param plan: the pipeline whose table it is.
    """
    parts = (_about(plan, table), _source(table), _contract(table), _rejects(table), _write(table), _checks(table))
    return "\n\n".join(text for part in parts if (text := "\n".join(part))) + "\n"


def _raw_text(text: str) -> str:
    """Return Markdown as Airflow shows it; a text that ends in ``.md`` it would take for the name of a file to open."""
    return f"{text}\n" if text.endswith(".md") else text


def _pipeline(plan: PipelinePlan) -> Iterator[str]:
    if plan.shown.get("description"):
        yield f"{str(plan.shown['description']).strip()}\n"
    yield f"- Schedule: {_schedule(plan)}"
    yield f"- Environment: {_code(plan.environment.name)}"
    yield f"- Spec: {_code(_spec_file(plan))}"
    yield "\n| Layer | Table | Written by | Key | Made from |\n|---|---|---|---|---|"
    groups = [group.tables for group in layer_groups(plan.tables)] or [plan.tables]
    for tables in groups:
        for table in sorted(tables, key=lambda table: table.table):
            layer, _, name = table.table.partition(".")
            write = _code(table.shown["write"]["strategy"])
            yield _row(_code(layer), _code(name), write, _names(table.shown.get("unique_key")), _made_from(table))


def _schedule(plan: PipelinePlan) -> str:
    schedule = plan.schedule
    if schedule is None:
        return "none, runs are started by hand"
    if schedule.assets is not None:
        return f"when {_condition(plan.shown['schedule'])} updated"
    if schedule.every is not None:
        return f"every {_code(str(schedule.every))}"
    if schedule.preset is not None:
        return _code(schedule.preset)
    return f"{_code(str(schedule.cron))} ({plan.timezone})"


def _condition(condition: Mapping[str, Any]) -> str:
    """Say in words what a run waits for: ``{any: [a, {all: [b, c]}]}``."""
    ((kind, parts),) = condition.items()
    words = " or " if kind == "any" else " and "
    said = words.join(f"({_condition(part)})" if isinstance(part, Mapping) else _code(str(part)) for part in parts)
    return f"{said} {'is' if len(parts) == 1 or kind == 'any' else 'are'}"


def _spec_file(plan: PipelinePlan) -> str:
    root = plan.environment.project_root
    return plan.source.relative_to(root).as_posix() if plan.source.is_relative_to(root) else plan.source.name


def _made_from(table: TablePlan) -> str:
    ingest: Mapping[str, Any] | None = table.shown.get("ingest")
    return _names(sorted(table.inputs) if ingest is None else [*ingest["files"], *sorted(table.inputs)])


def _about(plan: PipelinePlan, table: TablePlan) -> Iterator[str]:
    if table.shown.get("description"):
        yield f"{str(table.shown['description']).strip()}\n"
    owner = table.shown.get("owner") or plan.shown.get("owner")
    if owner is not None:
        yield f"- Owner: {_plain(str(owner))}"
    if table.shown.get("tags"):
        yield f"- Tags: {', '.join(map(_plain, sorted(table.shown['tags'])))}"
    if table.inputs:
        yield f"- Reads: {', '.join(map(_code, sorted(table.inputs)))}"
    yield f"- Spec: {_code(_spec_file(plan))}"


def _source(table: TablePlan) -> Iterator[str]:
    ingest: Mapping[str, Any] | None = table.shown.get("ingest")
    if ingest is not None:
        yield "#### Files\n"
        yield from (f"- {_code(name)} ({ingest['format']})" for name in ingest["files"])
    if table.shown.get("sql"):
        yield "#### Query\n"
        yield _fenced(str(table.shown["sql"]), "sql")
    if table.shown.get("python"):
        yield f"#### Function\n\n{_code(table.shown['python'])}"


def _contract(table: TablePlan) -> Iterator[str]:
    columns: Mapping[str, Mapping[str, Any]] = table.shown.get("columns") or {}
    if not columns:
        return
    yield "#### Contract\n\n| Column | Type | NULL | Rule | Description |\n|---|---|---|---|---|"
    keys = [name for name in table.shown.get("unique_key", ()) if name in columns]
    # The order of a mapping's keys means nothing to a plan, so it may not change the text either.
    for name in dict.fromkeys((*keys, *sorted(columns))):
        column = columns[name]
        rule = _code(column["rule"]) if column.get("rule") else ""
        null = "yes" if column.get("nullable", True) and name not in keys else "no"
        note = _plain(str(column.get("description") or ""))
        yield _row(_code(name), _code(column["type"]), null, rule, note)


def _rejects(table: TablePlan) -> Iterator[str]:
    quarantine: Mapping[str, Any] | bool | None = table.shown.get("quarantine")
    if not (table.shown.get("columns") or table.shown.get("unique_key") or quarantine is not None):
        return
    if quarantine is False:
        yield "A row that does not fit fails the run."
        return
    own = quarantine if isinstance(quarantine, Mapping) else {}
    most = own.get("max", Quarantine.max_fraction)
    share = f"{most * 100:g} %" if isinstance(most, int | float) else _code(str(most))
    place = _code(quarantine_table(table.table, own.get("table")))
    yield f"Rows that do not fit go to {place}; with more than {share} of them nothing is published."


def _write(table: TablePlan) -> Iterator[str]:
    write: Mapping[str, Any] = table.shown["write"]
    yield "#### Write\n"
    yield f"- Strategy: {_code(write['strategy'])}"
    if table.shown.get("unique_key"):
        yield f"- Key: {', '.join(map(_code, table.shown['unique_key']))}"
    if table.shown.get("partition_by"):
        yield f"- Partitions: {', '.join(map(_code, table.shown['partition_by']))}"
    yield from (f"- {_code(key)}: {_code(_text(write[key]))}" for key in sorted(write) if key not in _NO_OPTIONS)


def _checks(table: TablePlan) -> Iterator[str]:
    checks: Sequence[Any] = table.shown.get("checks") or ()
    if checks:
        yield "#### Checks before the publish\n"
    for check in checks:
        if not isinstance(check, Mapping):
            yield f"- {_code(str(check))}"
            continue
        for text, body in check.items():
            settings = body if isinstance(body, Mapping) else {}
            said = ", ".join(f"{key}: {_text(settings[key])}" for key in sorted(settings))
            yield f"- {_code(text)}" + (f" with {_code(said)}" if said else "")


def _names(names: Sequence[str] | None) -> str:
    few = names if names is None or len(names) <= _MOST_NAMES else names[: _MOST_NAMES - 1]
    more = [f"and {len(names) - len(few)} more"] if names and few and len(few) < len(names) else []
    return ", ".join([*map(_code, few or ()), *more])


def _text(value: Any) -> str:
    """Return a value in one line, the keys of mappings in one order."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_text(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _plain(text: str) -> str:
    """Return text as itself, in one line."""
    return re.sub(r"([\\`*_{}\[\]<>#~])", r"\\\1", " ".join(text.split()))


def _code(text: str) -> str:
    """Return a span of code, in one line, between more backquotes than the text holds in a row."""
    line = " ".join(text.split())
    ticks = _ticks(line, least=1)
    pad = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{pad}{line}{pad}{ticks}" if line else ""


def _fenced(text: str, language: str) -> str:
    ticks = _ticks(text, least=3)
    return f"{ticks}{language}\n{text.strip()}\n{ticks}"


def _ticks(text: str, *, least: int) -> str:
    return "`" * max(least, 1 + max((len(run) for run in re.findall("`+", text)), default=0))

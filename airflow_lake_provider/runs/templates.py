"""Airflow's Jinja without Airflow: the names and filters of the language reference, for ``lake run``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import DataInterval

INTERVAL_NAMES = ("data_interval_end", "data_interval_start", "ds", "ds_nodash", "logical_date", "ts")
"""What only a run with a data interval has."""


def interval_context(
    *,
    interval: DataInterval | None,
    run_id: str,
    dag_id: str,
    params: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the names that templates may use in a run; those of the interval are missing where there is none.

    ``logical_date`` is the interval's start. Times are pendulum's, as in Airflow.

    >>> day = DataInterval("2026-01-31T00:00:00+00:00", "2026-02-01T00:00:00+00:00")
    >>> context = interval_context(interval=day, run_id="r1", dag_id="flights")
    >>> render("{{ ds }} {{ data_interval_end | ds_nodash }} {{ macros.ds_add(ds, 1) }} {{ dag.dag_id }}", context)
    '2026-01-31 20260201 2026-02-01 flights'
    """
    context: dict[str, Any] = {
        "dag": SimpleNamespace(dag_id=dag_id),
        "dag_id": dag_id,
        "macros": SimpleNamespace(ds_add=_ds_add, ds_format=_ds_format),
        "params": dict(params or {}),
        "run_id": run_id,
    }
    if interval is None:
        return context
    start, end = _time(interval.start), _time(interval.end)
    return {
        **context,
        "data_interval_start": start,
        "data_interval_end": end,
        "logical_date": start,
        "ds": _ds(start),
        "ds_nodash": _ds_nodash(start),
        "ts": _ts(start),
    }


def render(value: Any, context: Mapping[str, Any], *, where: str = "") -> Any:
    r"""Render every text in a nested value, keys too (a check with settings is one); everything else stays as it is.

    As Airflow's own Jinja does it, whether there is a template in a text or not: a newline at the end goes, and line
    ends become plain ones. What is rendered decides the fingerprint, which must be the same here and there.

    >>> render(["SELECT 1\n", {"a\n": "b\r\nc"}], {})
    ['SELECT 1', {'a\n': 'b\nc'}]

    :param where: what is rendered, for the error (``silver.flights``).
    :raises SpecError: a name is unknown (all of them are listed), the run has no interval, or the Jinja is wrong.
    """
    from jinja2 import StrictUndefined, TemplateError
    from jinja2.meta import find_undeclared_variables
    from jinja2.sandbox import SandboxedEnvironment

    environment = SandboxedEnvironment(undefined=StrictUndefined)
    environment.filters.update(ds=_ds, ds_nodash=_ds_nodash, ts=_ts)

    def one(text: str, place: str) -> str:
        if "{" not in text and not text.endswith("\n") and "\r" not in text:
            return text
        try:
            known = context.keys() | environment.globals.keys()
            unknown = sorted(find_undeclared_variables(environment.parse(text)) - known)
            if unknown:
                raise SpecError(_unknown(unknown, place, context))
            return environment.from_string(text).render(context)
        except (TemplateError, TypeError, ValueError, AttributeError) as exc:
            why = str(exc).splitlines()[0].rstrip(".")
            raise SpecError(f"{place}: the template cannot be rendered: {why}. It is: {_shorten(text)}") from exc

    def walk(item: Any, place: str) -> Any:
        if isinstance(item, str):
            return one(item, place)
        if isinstance(item, Mapping):
            return {
                walk(key, place) if "{" in key else key: walk(part, f"{place}.{key}" if place else str(key))
                for key, part in item.items()
            }
        if isinstance(item, list | tuple):
            return type(item)(walk(part, place) for part in item)
        return item

    return walk(value, where)


def _unknown(names: list[str], place: str, context: Mapping[str, Any]) -> str:
    start = f"{place}: " if place else ""
    of_interval = [name for name in names if name in INTERVAL_NAMES]
    if of_interval:
        return (
            f"{start}the template names {', '.join(of_interval)}, and this run has no data interval. "
            "Give one with --data-interval-start and --data-interval-end, or give the pipeline a schedule in time. "
            "Nothing was submitted."
        )
    noun = "an unknown name" if len(names) == 1 else "unknown names"
    near = difflib.get_close_matches(names[0], context.keys(), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    return f"{start}the template uses {noun}: {', '.join(names)}.{hint} Known are: {', '.join(sorted(context))}"


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 120 else f"{line[:117]}..."


def _time(text: str) -> Any:
    """A pendulum time in UTC: templates may call its methods, as they do in Airflow."""
    import pendulum

    return pendulum.instance(datetime.fromisoformat(text)).in_timezone("UTC")


def _ds(value: datetime) -> str:
    return value.strftime("%Y-%m-%d")


def _ds_nodash(value: datetime) -> str:
    return value.strftime("%Y%m%d")


def _ts(value: datetime) -> str:
    return value.isoformat()


def _ds_add(ds: str, days: int) -> str:
    return (datetime.strptime(ds, "%Y-%m-%d") + timedelta(days=days)).strftime("%Y-%m-%d")


def _ds_format(ds: str, input_format: str, output_format: str) -> str:
    return datetime.strptime(ds, input_format).strftime(output_format)

"""Jinja that would fail in every run: wrong syntax, unknown names, filters and tests. Parsed, never evaluated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from airflow_lake_provider.spec.problem import did_you_mean
from airflow_lake_provider.spec.template import MAX_TEMPLATE, Template, templates

LANGUAGE_NAMES = (
    "data_interval_start", "data_interval_end", "logical_date", "ds", "ds_nodash", "ts", "run_id", "params", "dag",
    "dag_id", "macros",
)  # fmt: skip
"""What ``lake run`` knows too; the language reference, section 3."""

_AIRFLOW_NAMES = (
    "asset_state_store", "conf", "conn", "dag_run", "exception", "execution_date", "expanded_ti_count", "inlet_events",
    "inlets", "map_index_template", "next_ds", "next_ds_nodash", "next_execution_date", "outlet_events", "outlets",
    "partition_date", "partition_key", "prev_data_interval_end_success", "prev_data_interval_start_success", "prev_ds",
    "prev_ds_nodash", "prev_end_date_success", "prev_execution_date", "prev_execution_date_success",
    "prev_start_date_success", "reason", "start_date", "task", "task_instance", "task_instance_key_str",
    "task_reschedule_count", "task_state_store", "templates_dict", "test_mode", "ti", "tomorrow_ds",
    "tomorrow_ds_nodash", "triggering_asset_events", "triggering_dataset_events", "try_number", "ts_nodash",
    "ts_nodash_with_tz", "var", "yesterday_ds", "yesterday_ds_nodash",
)  # fmt: skip
"""Airflow's own context, of all versions that are supported."""

_INSIDE = ("loop", "self", "super", "caller", "varargs", "kwargs", "_")
"""Names that Jinja gives in some blocks; ``_`` stands for a value that is not there."""

FILTERS = ("ds", "ds_nodash", "ts", "ts_nodash", "ts_nodash_with_tz")
"""Airflow's own filters."""

_KNOWN = frozenset((*LANGUAGE_NAMES, *_AIRFLOW_NAMES, *_INSIDE))
_PLAIN = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)(?:\.[A-Za-z_]\w*)*\s*(?:\|\s*(\w+)\s*)?-?\}\}")


@dataclass(frozen=True)
class Fault:
    """What is wrong with a template; characters ``start`` to before ``end`` of the text."""

    message: str
    hint: str
    start: int
    end: int


def template_faults(text: str, *, variables: Collection[str] = (), params: Collection[str] = ()) -> Iterator[Fault]:
    """Yield what would fail in every run.

    :param variables: the spec's own, which are written otherwise.
    :param params: the names below ``params``.
    """
    if in_need_of_a_parser(text):
        for template in templates(text):
            if len(template.text) > MAX_TEMPLATE:
                message = f"the template has more than {MAX_TEMPLATE:,} characters"
                yield Fault(message, "Write it shorter.", template.start, template.start + 2)
                return
        found = [template for template in templates(text) if not template.text.startswith("{#")]
        yield from _Parsed(text, found, variables, params).faults()


def in_need_of_a_parser(text: str) -> int:
    """Return how many templates are more than a known name and a known filter; most are not, and cost next to nothing.

    >>> in_need_of_a_parser("{{ data_interval_start | ds }} {{ ds_add(ds, 1) }}")
    1
    """
    return sum(not _is_plain(template) for template in templates(text) if not template.text.startswith("{#"))


def _is_plain(template: Template) -> bool:
    match = _PLAIN.fullmatch(template.text) if len(template.text) <= MAX_TEMPLATE else None
    return match is not None and match[1] in _KNOWN and (match[2] is None or match[2] in FILTERS)


@cache
def _environment() -> Any:
    from jinja2 import Environment

    return Environment(extensions=["jinja2.ext.do"])  # Airflow's own has it


class _Parsed:
    def __init__(self, text: str, found: list[Template], variables: Collection[str], params: Collection[str]) -> None:
        self.text = text
        self.templates = found
        self.variables = variables
        self.params = params

    def faults(self) -> Iterator[Fault]:
        from jinja2 import TemplateSyntaxError

        try:
            yield from self.unknown(_environment().parse(self.text))
        except TemplateSyntaxError as exc:
            yield _syntax(exc, self.wrong_expression() or self.wrong_statement(exc))
        except RecursionError:
            yield Fault("the templates are nested too deeply", "Write them shorter.", 0, len(self.text))

    def wrong_expression(self) -> Template | None:
        """Return the first expression that does not parse by itself."""
        from jinja2 import TemplateSyntaxError

        for template in self.templates:
            try:
                if template.is_expression:
                    _environment().parse(template.text)
            except TemplateSyntaxError:
                return template
        return None

    def wrong_statement(self, exc: Any) -> Template:
        """Return the block that an error is about: by its tag, or else the last that begins by the line."""
        tag = re.search(r"unknown tag '(\w+)'", exc.message or "")
        statements = [each for each in self.templates if each.is_statement]
        for each in statements:
            if tag is not None and re.match(rf"\{{%[-+]?\s*{tag[1]}\b", each.text):
                return each
        before = [each for each in statements if self.text.count("\n", 0, each.start) < exc.lineno]
        return before[-1] if before else self.templates[0]

    def unknown(self, tree: Any) -> Iterator[Fault]:
        from jinja2 import nodes

        environment = _environment()
        for kind, word, known in (
            (nodes.Filter, "filter", {*environment.filters, *FILTERS}),
            (nodes.Test, "test", environment.tests),
        ):
            for name in dict.fromkeys(node.name for node in tree.find_all(kind)):
                if name not in known:
                    near = did_you_mean(name, FILTERS) if kind is nodes.Filter else ""
                    known = {word for word in known if len(word) > 1}
                    hint = near or did_you_mean(name, known) or f"expected a {word} of Jinja's, or of Airflow's"
                    yield Fault(f"Jinja has no {word} `{name}`", hint, *self.place(name))
        names = list(tree.find_all(nodes.Name))
        bound = {node.name for node in names if node.ctx != "load"}
        bound.update(node.name for node in tree.find_all(nodes.Macro))
        bound.update(_guarded(tree))
        for name in dict.fromkeys(node.name for node in names):
            if name not in bound and name not in _KNOWN and name not in environment.globals:
                yield Fault(f"the template names `{name}`, which no run has", self.hint(name), *self.place(name))

    def hint(self, name: str) -> str:
        if name in self.variables:
            return f"A variable of the spec is written `${{{name}}}`."
        if name in self.params:
            return f"A param is written `params.{name}`."
        names = ", ".join(f"`{known}`" for known in LANGUAGE_NAMES)
        return did_you_mean(name, (*LANGUAGE_NAMES, *_AIRFLOW_NAMES)) or f"expected {names}, or another of Airflow's"

    def place(self, name: str) -> tuple[int, int]:
        word = re.compile(rf"(?<![\w.]){re.escape(name)}(?!\w)")
        for template in self.templates:
            blanked = re.sub(r"'[^']*'|\"[^\"]*\"", lambda quoted: " " * len(quoted[0]), template.text)
            match = word.search(blanked)
            if match is not None:
                return template.start + match.start(), template.start + match.end()
        return self.templates[0].start, self.templates[0].end


def _guarded(tree: Any) -> Iterator[str]:
    """Yield the names that need not be there: ``x | default(1)``, ``x is defined``."""
    from jinja2 import nodes

    for node in tree.find_all((nodes.Filter, nodes.Test)):
        if node.name in ("default", "d", "defined", "undefined") and isinstance(node.node, nodes.Name):
            yield node.node.name


def _syntax(exc: Any, template: Template) -> Fault:
    message = str(exc.message or "this is not Jinja").rstrip(".")
    return Fault(f"the template does not parse: {message}", "", template.start, template.end)

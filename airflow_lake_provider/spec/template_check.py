"""What is wrong with the templates of a spec's texts."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from airflow_lake_provider.spec.problem import Path, Problem, warning
from airflow_lake_provider.spec.template import date_names, unclosed
from airflow_lake_provider.spec.template_names import in_need_of_a_parser, template_faults

MAX_TEMPLATES = 5_000
"""How many templates of one spec are parsed; a bound on what that can cost."""


class TemplateCheck:
    """Checks the templates of one spec.

    :param variables: the names that the spec declares, for who mixes up the two notations.
    :param params: the names of its params.
    """

    def __init__(self, *, variables: Collection[str], params: Collection[str]) -> None:
        self._variables = variables
        self._params = params
        self._parsed = 0

    def problems(self, text: str, path: Path) -> Iterator[Problem]:
        """Yield what is wrong or doubtful in one text."""
        at = unclosed(text)
        if at is not None:
            opener = text[at : at + 2]
            closer = {"{{": "}}", "{%": "%}", "{#": "#}"}[opener]
            yield Problem(path, "template", f"nothing closes this `{opener}`", f"expected `{closer}`", (at, at + 2))
        elif number := in_need_of_a_parser(text):
            self._parsed += number
            if self._parsed > MAX_TEMPLATES:
                if self._parsed - number <= MAX_TEMPLATES:
                    message = f"the spec has more than {MAX_TEMPLATES:,} templates with more in them than a name"
                    yield Problem(path, "too-big", message, "Use variables: `${name}`.")
                return
            for fault in template_faults(text, variables=self._variables, params=self._params):
                yield Problem(path, "template", fault.message, fault.hint, (fault.start, fault.end))
        for name, start in date_names(text):
            hint = "Write `{{ data_interval_start | ds }}`: the start of the run's own interval."
            message = f"on Airflow 3 a manual run may have no `{name}`, or another day's"
            yield warning(path, "ds-template", message, hint, span=(start, start + len(name)))

"""Jinja that would fail in every run is found before any."""

from __future__ import annotations

import pytest

from airflow_lake_provider.spec.template_names import in_need_of_a_parser, template_faults

WRONG = {
    "{{ data_interval_strat | ds }}": ("data_interval_strat", "did you mean `data_interval_start`?"),
    "{{ data_interval_start | dss }}": ("dss", "did you mean `ds`?"),
    "{{ params.x | uper }}": ("uper", "did you mean `upper`?"),
    "{{ 1 is ood }}": ("ood", "did you mean `odd`?"),
    "{{ ' rows ' ~ rows }}": ("rows", "A variable of the spec is written `${rows}`."),
    "{{ day | ds }}": ("day", "A param is written `params.day`."),
    "{% set q = 1 %}{{ q + runid }}": ("runid", "did you mean `run_id`?"),
    "{{ ds }} {{ ds | }}": ("{{ ds | }}", ""),
    "a\n{% if x %}\nb": ("{% if x %}", ""),
    "{% foo %}": ("{% foo %}", ""),
}


@pytest.mark.parametrize("text", WRONG)
def test_what_no_run_can_render(text: str) -> None:
    found = [(text[f.start : f.end], f.hint) for f in template_faults(text, variables=["rows"], params=["day"])]
    assert found == [WRONG[text]]


RIGHT = [
    "plain {ds} text",
    "{{ data_interval_start | ds_nodash }} {{ ts }} {{ dag.dag_id }} {{ params.a.b }}",
    "{{ macros.ds_add(ds, -1) }} {{ var.value.x }} {{ conn.a.host }} {{ ti.try_number }}",
    "{{ x | default('a') }} {{ y is defined }}",
    "{% for a in params.b %}{{ a }} {{ loop.index }}{% endfor %}",
    "{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1) }}",
    "{% raw %}{{ zz }}{% endraw %}{# {{ zz }} #}",
    "{{ data_interval_start.strftime(format='%Y') }} {{ range(3) | list }} {{ 'zz' }}",
    "{% do params.x.append(1) %}",
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_a_run_can_render(text: str) -> None:
    assert list(template_faults(text)) == []


def test_nothing_is_evaluated() -> None:
    assert list(template_faults("{{ 9**9**9**9 }} {{ 'a' * 10**12 }}")) == []


@pytest.mark.parametrize("inside", ["(" * 9_000, "(" * 4_000 + "1" + ")" * 4_000])
def test_deep_nesting_is_a_fault(inside: str) -> None:
    (fault,) = template_faults("{{ " + inside + " }}")
    assert fault.message == "the templates are nested too deeply"


def test_what_most_templates_are_needs_no_parser() -> None:
    assert in_need_of_a_parser("{{ data_interval_start | ds }} {{- ts -}} {{ params.a }} {# {{ x }} #}") == 0
    assert in_need_of_a_parser("{{ x }} {% if ds %}{% endif %} {{ params['a'] }}") == 4


def test_a_very_long_template_is_a_fault() -> None:
    (fault,) = template_faults("{{ x" + " " * 10_000 + "}}")
    assert fault.message == "the template has more than 10,000 characters"

from __future__ import annotations

import pytest

from airflow_lake_provider.spec import names_interval
from airflow_lake_provider.spec.template import date_names, templates, unclosed

INTERVAL = [
    "{{ ds }}",
    "{{ds_nodash}}",
    "x {{ data_interval_start | ds }} y",
    "{{ data_interval_end.isoformat() }}",
    "{{ macros.ds_add(ds, -1) }}",
    "{{ logical_date.strftime('%Y') }}",
    "{{ dag_run.data_interval_start }}",
    "{{ dag_run . logical_date }}",
    "{% if ts > '2020' %}x{% endif %}",
]
OTHER = [
    "ds",
    "{{ params.ds }}",
    "{{ params.day | ds }}",
    "{{ params.day|ds_nodash }}",
    "{{ 'ds' }}",
    "{{ dag_run.conf.ds }}",
    "{{ macros.ds_format('2020-01-01', '%Y', '%m') }}",
    "{# ds #}",
    "{{ run_id }}",
    "{ ds }",
]


@pytest.mark.parametrize("text", INTERVAL)
def test_templates_of_the_interval(text: str) -> None:
    assert names_interval(text)
    assert names_interval({"ingest": {"files": ["a", text]}})
    assert names_interval({text: None})


@pytest.mark.parametrize("text", OTHER)
def test_other_text_does_not_name_the_interval(text: str) -> None:
    assert not names_interval({"a": [text, 1, None, True]})


def test_places_of_date_names_are_in_the_text() -> None:
    text = "a {{ ds }} {{ data_interval_start | ds }} {{ macros.ds_add(ds, 1) }} {{ dag_run.logical_date }}"
    assert [text[at : at + len(name)] for name, at in date_names(text)] == ["ds", "ds", "logical_date"]


@pytest.mark.parametrize(("text", "place"), [("{{ a }} {{ b", 8), ("{% if x", 0), ("a {# b", 2), ("{{ a }}{", None)])
def test_templates_that_nothing_closes(text: str, place: int | None) -> None:
    assert unclosed(text) == place


def test_kinds_of_templates() -> None:
    found = templates("{{ a }}{% b %}{# c #}")
    assert [(t.is_expression, t.is_statement) for t in found] == [(True, False), (False, True), (False, False)]

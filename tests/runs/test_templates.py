from __future__ import annotations

from typing import Any

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.protocol import DataInterval
from airflow_lake_provider.runs import interval_context, render

INTERVAL = DataInterval("2026-01-31T06:00:00+00:00", "2026-02-01T06:00:00+00:00")


@pytest.fixture
def context() -> dict[str, Any]:
    return interval_context(interval=INTERVAL, run_id="manual__1", dag_id="flights", params={"min_rows": 5})


# What Airflow 3.3 gives for the same context.
@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ ds }}", "2026-01-31"),
        ("{{ ds_nodash }}", "20260131"),
        ("{{ ts }}", "2026-01-31T06:00:00+00:00"),
        ("{{ logical_date }}", "2026-01-31 06:00:00+00:00"),
        ("{{ data_interval_start | ds }}", "2026-01-31"),
        ("{{ data_interval_end | ds_nodash }}", "20260201"),
        ("{{ data_interval_end | ts }}", "2026-02-01T06:00:00+00:00"),
        ("{{ data_interval_start.add(days=1) | ds }}", "2026-02-01"),
        ("{{ data_interval_start.strftime('%H') }}", "06"),
        ("{{ run_id }}", "manual__1"),
        ("{{ params.min_rows }}", "5"),
        ("{{ dag_id }} {{ dag.dag_id }}", "flights flights"),
        ("{{ macros.ds_add(ds, 1) }}", "2026-02-01"),
        ("{{ macros.ds_format(ds, '%Y-%m-%d', '%d.%m.%Y') }}", "31.01.2026"),
        ("{% if params.min_rows > 3 %}many{% endif %}", "many"),
        ("{% for n in range(2) %}{{ n }}{% endfor %}", "01"),
        ("no template, a {brace} and\na last line\n", "no template, a {brace} and\na last line"),
        ("no brace\r\nat all\n\n", "no brace\nat all\n"),
    ],
)
def test_name_gives_what_airflow_gives(context: dict[str, Any], template: str, text: str) -> None:
    assert render(template, context) == text


def test_key_is_rendered_too(context: dict[str, Any]) -> None:
    checks = [{"row_count > {{ params.min_rows }}": {"name": "at least {{ params.min_rows }}"}}]
    assert render(checks, context) == [{"row_count > 5": {"name": "at least 5"}}]


def test_whole_value_is_rendered_and_only_its_texts(context: dict[str, Any]) -> None:
    value = {"files": ["in/{{ ds }}.csv"], "n": 3, "on": True, "none": None, "pair": ("{{ ds }}", 1)}
    assert render(value, context) == {
        "files": ["in/2026-01-31.csv"],
        "n": 3,
        "on": True,
        "none": None,
        "pair": ("2026-01-31", 1),
    }


@pytest.mark.parametrize(
    ("template", "message"),
    [
        pytest.param(
            "{{ data_intervl_start | ds }} {{ foo }}",
            "silver.a.sql: the template uses unknown names: data_intervl_start, foo. Did you mean "
            "'data_interval_start'? Known are: dag, dag_id, data_interval_end, data_interval_start, ds, ds_nodash, "
            "logical_date, macros, params, run_id, ts",
            id="all unknown names at once",
        ),
        pytest.param(
            "{{ dag.owner }}",
            "silver.a.sql: the template cannot be rendered: 'types.SimpleNamespace object' has no attribute 'owner'. "
            "It is: {{ dag.owner }}",
            id="an unknown attribute",
        ),
        pytest.param(
            "{{ ds ",
            "silver.a.sql: the template cannot be rendered: unexpected end of template, expected 'end of print "
            "statement'. It is: {{ ds",
            id="broken Jinja",
        ),
        pytest.param(
            "{{ ds | shout }}",
            "silver.a.sql: the template cannot be rendered: No filter named 'shout'. It is: {{ ds | shout }}",
            id="an unknown filter",
        ),
        pytest.param(
            "{{ params.__class__.__mro__ }}",
            "silver.a.sql: the template cannot be rendered: access to attribute '__class__' of 'dict' object is "
            "unsafe. It is: {{ params.__class__.__mro__ }}",
            id="a way out of the sandbox",
        ),
    ],
)
def test_template_that_cannot_be_rendered_says_where_and_why(
    context: dict[str, Any], template: str, message: str
) -> None:
    with pytest.raises(SpecError) as caught:
        render({"sql": template}, context, where="silver.a")
    assert str(caught.value) == message


def test_template_of_the_interval_needs_one() -> None:
    context = interval_context(interval=None, run_id="r", dag_id="d")
    assert render("{{ run_id }}", context) == "r"
    with pytest.raises(SpecError) as caught:
        render(["{{ data_interval_start | ds }} {{ ds }}"], context, where="bronze.a")
    assert str(caught.value) == (
        "bronze.a: the template names data_interval_start, ds, and this run has no data interval. Give one with "
        "--data-interval-start and --data-interval-end, or give the pipeline a schedule in time. Nothing was submitted."
    )

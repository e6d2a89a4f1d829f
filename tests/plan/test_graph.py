"""The graph of several pipelines, as both languages write it, and that no name can break the text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from airflow_lake_provider.plan import PipelinePlan, plan_pipeline
from airflow_lake_provider.plan.graph import REJECTED, STARTS, Graph, dot, lineage, mermaid

SHOP = """\
pipeline: shop
schedule: "@daily"
start_date: 2026-01-01
tables:
  gold.days:
    sql: SELECT * FROM silver.orders
  silver.orders:
    sql: SELECT * FROM BRONZE.orders JOIN crm.customers USING (id)
    unique_key: id
  bronze.orders:
    ingest: {files: "landing/{{ data_interval_start | ds }}/*.csv"}
external: [crm.customers]
"""
REPORT = """\
pipeline: report-1.0
schedule: {any: [gold.days, crm.customers, "s3://feed/x"]}
external: [crm.customers]
tables:
  gold.bad:
    sql: SELECT * FROM bronze.orders__quarantine
  gold.report:
    sql: SELECT * FROM gold.days JOIN gold.bad USING (id)
"""
MERMAID = """\
flowchart LR
  o_crm__customers[("crm.customers")]
  a_2(["s3://feed/x"])
  f_3[/"landing/{{ data_interval_start | ds }}/*.csv"/]
  subgraph p_report_1_0["report-1.0"]
    t_gold__bad[("gold.bad<br/>replace")]
    t_gold__report[("gold.report<br/>replace")]
  end
  subgraph p_shop["shop"]
    t_bronze__orders[("bronze.orders<br/>append")]
    t_silver__orders[("silver.orders<br/>merge")]
    t_gold__days[("gold.days<br/>replace")]
  end
  t_bronze__orders -->|rejected rows| t_gold__bad
  t_gold__bad --> t_gold__report
  t_gold__days --> t_gold__report
  t_gold__days -.->|starts| p_report_1_0
  o_crm__customers -.->|starts| p_report_1_0
  a_2 -.->|starts| p_report_1_0
  f_3 --> t_bronze__orders
  t_bronze__orders --> t_silver__orders
  o_crm__customers --> t_silver__orders
  t_silver__orders --> t_gold__days
  classDef outside stroke-dasharray: 4 4
  class o_crm__customers,a_2 outside
"""
DOT = """\
digraph lake {
  rankdir=LR;
  compound=true;
  o_crm__customers [shape=cylinder, style=dashed, label="crm.customers"];
  a_2 [shape=oval, style=dashed, label="s3://feed/x"];
  f_3 [shape=note, label="landing/{{ data_interval_start | ds }}/*.csv"];
  subgraph cluster_p_report_1_0 {
    label="report-1.0";
    t_gold__bad [shape=cylinder, label="gold.bad\\nreplace"];
    t_gold__report [shape=cylinder, label="gold.report\\nreplace"];
  }
  subgraph cluster_p_shop {
    label="shop";
    t_bronze__orders [shape=cylinder, label="bronze.orders\\nappend"];
    t_silver__orders [shape=cylinder, label="silver.orders\\nmerge"];
    t_gold__days [shape=cylinder, label="gold.days\\nreplace"];
  }
  t_bronze__orders -> t_gold__bad [label="rejected rows"];
  t_gold__bad -> t_gold__report;
  t_gold__days -> t_gold__report;
  t_gold__days -> t_gold__bad [label="starts", style=dotted, lhead=cluster_p_report_1_0];
  o_crm__customers -> t_gold__bad [label="starts", style=dotted, lhead=cluster_p_report_1_0];
  a_2 -> t_gold__bad [label="starts", style=dotted, lhead=cluster_p_report_1_0];
  f_3 -> t_bronze__orders;
  t_bronze__orders -> t_silver__orders;
  o_crm__customers -> t_silver__orders;
  t_silver__orders -> t_gold__days;
}
"""


def plans(folder: Path, *texts: str) -> list[PipelinePlan]:
    for number, text in enumerate(texts):
        (folder / f"{number}.yaml").write_text(text)
    return [plan_pipeline(folder / f"{number}.yaml") for number in range(len(texts))]


def drawn(folder: Path, *texts: str) -> Graph:
    return lineage(plans(folder, *texts))


def test_two_pipelines_in_both_languages(tmp_path: Path) -> None:
    graph = drawn(tmp_path, SHOP, REPORT)
    assert mermaid(graph) == MERMAID
    assert dot(graph) == DOT


def test_the_order_in_which_specs_are_named_changes_nothing(tmp_path: Path) -> None:
    found = plans(tmp_path, SHOP, REPORT)
    assert lineage(found) == lineage(reversed(found))


def test_a_table_of_a_pipeline_that_is_not_drawn_stands_outside(tmp_path: Path) -> None:
    both = plans(tmp_path, SHOP, REPORT)
    graph = lineage(both[1:])
    assert [(vertex.id, vertex.lines) for vertex in graph.others] == [
        ("o_bronze__orders__quarantine", ("bronze.orders__quarantine",)),
        ("o_gold__days", ("gold.days",)),
        ("o_crm__customers", ("crm.customers",)),
        ("a_4", ("s3://feed/x",)),
    ]


def test_a_named_quarantine_table_is_drawn_as_rejected_rows(tmp_path: Path) -> None:
    graph = drawn(
        tmp_path,
        "pipeline: p\ntables:\n  bronze.a:\n    ingest: {files: a.csv}\n    quarantine: {table: bad}\n"
        "  gold.b:\n    sql: SELECT * FROM bronze.bad\n",
    )
    assert [(edge.source, edge.target) for edge in graph.edges if edge.kind == REJECTED] == [
        ("t_bronze__a", "t_gold__b")
    ]


def test_names_that_would_be_one_word_are_told_apart(tmp_path: Path) -> None:
    text = "pipeline: {}\ntables:\n  {}:\n    ingest: {{files: a.csv}}\n"
    one, two = text.format("p-1", "a__.b"), text.format("p.1", "a.__b")
    graph = drawn(tmp_path, one, two)
    ids = [group.id for group in graph.groups] + [vertex.id for group in graph.groups for vertex in group.tables]
    assert ids == ["p_p_1", "p_p_1_2", "t_a____b", "t_a____b_2"]


HOSTILE = ['a "b"', "`c`", "<d>", "#e;", "%%{init: 1}%%", "end", "\\N", "a\nb", "$$x$$", "&amp;", "é 😀", "--> x"]


@pytest.mark.parametrize("name", HOSTILE)
def test_no_name_can_break_the_text(tmp_path: Path, name: str) -> None:
    (found,) = plans(tmp_path, "pipeline: p\ntables:\n  bronze.end:\n    ingest: {files: a.csv}\n")
    settings = {**found.tables[0].settings, "ingest": {"files": [name], "format": "csv", "options": {}}}
    object.__setattr__(found.tables[0], "settings", settings)
    graph = lineage([found])
    lines = mermaid(graph).splitlines()
    assert len(lines) == 6
    label = re.fullmatch(r'  f_1\[/"([^"<>`%\\]*)"/\]', lines[1])
    assert label is not None
    assert re.sub(r"#(\d+);", lambda number: chr(int(number[1])), label[1]) == name
    (line,) = (line for line in dot(graph).splitlines() if "f_1 [" in line)
    quoted = re.fullmatch(r'  f_1 \[shape=note, label="((?:[^"\\]|\\.)*)"\];', line)
    assert quoted is not None
    assert re.sub(r"\\(.)", r"\1", quoted[1]) == name.replace("\n", " ")


def test_of_many_files_the_first_are_named(tmp_path: Path) -> None:
    text = "pipeline: p\ntables:\n  bronze.a:\n    ingest: {files: [1.csv, 2.csv, 3.csv, 4.csv, 5.csv]}\n"
    assert drawn(tmp_path, text).others[0].lines == ("1.csv", "2.csv", "3.csv", "and 2 more")


def test_all_edges_lead_from_and_to_what_is_drawn(tmp_path: Path) -> None:
    graph = drawn(tmp_path, SHOP, REPORT)
    tables = {vertex.id for group in graph.groups for vertex in group.tables}
    known = tables | {vertex.id for vertex in graph.others}
    for edge in graph.edges:
        assert edge.source in known
        assert edge.target in ({group.id for group in graph.groups} if edge.kind == STARTS else tables)

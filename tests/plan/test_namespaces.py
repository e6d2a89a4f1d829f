"""Names of tables with the environment's prefix: in queries, in checks, in a request."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

import pytest

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.plan import check_request, table_request
from airflow_lake_provider.protocol import Check, CheckStep, Quarantine, TransformStep
from airflow_lake_provider.spec import Environment
from airflow_lake_provider.spec.lineage import SqlError, read_query
from airflow_lake_provider.spec.namespaces import check_with_prefix, with_prefix

MARKED = "^"
"""Where a query below has this sign, and only there, the prefix belongs."""

QUERIES = {
    "one table": "SELECT * FROM ^silver.flights",
    "alias": "SELECT f.id FROM ^silver.flights AS f WHERE f.silver > 0",
    "alias without AS": "SELECT f.id FROM ^silver.flights f",
    "joins": "SELECT * FROM ^silver.a JOIN ^gold.b USING (id) LEFT JOIN ^bronze.c ON c.id = b.id CROSS JOIN ^x.y",
    "comma": "SELECT * FROM ^silver.a, ^silver.b b, (SELECT 1 AS one)",
    "same table twice": "SELECT * FROM ^silver.a one JOIN ^silver.a two ON one.id = two.id",
    "joins in brackets": "SELECT * FROM (^silver.a JOIN ^gold.b ON ^silver.a.id = ^gold.b.id)",
    "set operations": "SELECT * FROM ^silver.a UNION ALL SELECT * FROM ^silver.b EXCEPT SELECT * FROM ^gold.c",
    "from first": "FROM ^silver.flights SELECT ^silver.flights.id",
    "subqueries": (
        "SELECT (SELECT max(id) FROM ^gold.a) FROM (SELECT * FROM ^silver.b) b WHERE id IN (SELECT id FROM ^silver.c)"
    ),
    "CTE": "WITH f AS (SELECT * FROM ^silver.flights) SELECT f.id FROM f JOIN ^gold.f g ON g.id = f.id",
    "CTE with the name of a layer": (
        "WITH silver AS (SELECT struct(1 AS id) AS flights) SELECT silver.flights.id FROM silver"
    ),
    "CTE with the name of a table": "WITH flights AS (SELECT * FROM ^silver.flights) SELECT flights.id FROM flights",
    "CTEs that read each other": (
        "WITH a AS (SELECT ^silver.t.id FROM ^silver.t), b AS (SELECT a.id FROM a, ^silver.a) SELECT * FROM b"
    ),
    "nested CTE": "SELECT * FROM (WITH a AS (SELECT * FROM ^silver.a) SELECT * FROM a) JOIN ^gold.a",
    "backquotes": "SELECT `silver`.`id` FROM `^silver`.`flights` JOIN ^gold.`some table` JOIN `^gold`.x",
    "backquote in a name": "SELECT * FROM `^sil``ver`.`a``b`",
    "a whole name in backquotes is one name": "SELECT * FROM `silver.flights`",
    "catalog in front": "SELECT lake.^silver.flights.id FROM lake.^silver.flights JOIN `lake`.`^gold`.x",
    "catalog in other letters": "SELECT * FROM LAKE.^silver.flights",
    "another catalog": "SELECT other.silver.flights.id FROM other.silver.flights",
    "metadata table": "SELECT * FROM ^silver.flights.snapshots, lake.^silver.flights.files, ^silver.flights.branch_a",
    "column of a metadata table": "SELECT ^silver.a.history.snapshot_id FROM ^silver.a.history",
    "time travel": "SELECT * FROM ^silver.flights VERSION AS OF 3 JOIN ^silver.a TIMESTAMP AS OF '2026-01-01' a",
    "sample": "SELECT * FROM ^silver.flights TABLESAMPLE (10 PERCENT) REPEATABLE (1)",
    "comments": (
        "-- FROM silver.flights\nSELECT 1 /* silver.flights */ FROM /* here */ ^silver /* and */ . -- there\n flights"
    ),
    "texts": "SELECT 'silver.flights', \"silver.flights\", 'it\\'s silver.flights' FROM ^silver.flights",
    "templates in texts": "SELECT '{{ silver.flights }}' AS a FROM ^silver.flights WHERE b = '{{'",
    "wide letters before": "SELECT '\U0001f6eb\u00fc' AS `\u00e4`, '\t'\tFROM\r\n\t^silver.flights",
    "column by its full name": "SELECT ^silver.flights.id, count(^silver.flights.id) FROM ^silver.flights GROUP BY 1",
    "star": "SELECT ^silver.flights.*, f.* FROM ^silver.flights JOIN ^silver.flights f",
    "star without columns": "SELECT ^silver.flights.* EXCEPT (id) FROM ^silver.flights",
    "all clauses": (
        "SELECT ^silver.a.x, sum(^silver.a.y) OVER (PARTITION BY ^silver.a.x) FROM ^silver.a WHERE ^silver.a.z = 1 "
        "GROUP BY ^silver.a.x, ^silver.a.y HAVING max(^silver.a.z) > 1 ORDER BY ^silver.a.x"
    ),
    "column in other letters": "SELECT SILVER.Flights.id FROM ^silver.flights".replace("SILVER", "^SILVER"),
    "column by table only": "SELECT flights.id FROM ^silver.flights",
    "catalog before the column only": "SELECT lake.^silver.flights.id FROM ^silver.flights",
    "catalog before the table only": "SELECT ^silver.flights.id FROM lake.^silver.flights",
    "field of a column by its full name": "SELECT ^silver.f.geo.lat.deg, ^silver.f.arr[0].x FROM ^silver.f",
    "field of a struct": "SELECT f.silver.x, f.silver.flights.x FROM ^gold.flights f",
    "struct with the name of a layer": "SELECT silver.flights.x FROM ^gold.t",
    "alias with the name of a layer": "SELECT silver.flights.x, silver.id FROM ^gold.t AS silver",
    "alias hides the full name": "SELECT silver.flights.id FROM ^silver.flights AS silver",
    "table with the name of a layer": "SELECT silver.flights.x FROM ^gold.silver",
    "correlated": "SELECT * FROM ^silver.a WHERE EXISTS (SELECT 1 FROM ^gold.b WHERE ^gold.b.id = ^silver.a.id)",
    "correlated, hidden by an alias": (
        "SELECT * FROM ^silver.a WHERE EXISTS (SELECT 1 FROM ^gold.b silver WHERE silver.a.id = 1)"
    ),
    "a subquery in FROM sees its own tables only": (
        "SELECT ^silver.a.x FROM (SELECT silver.a.x FROM ^gold.t) q, ^silver.a"
    ),
    "a CTE sees its own tables only": "WITH c AS (SELECT silver.a.x FROM ^gold.t) SELECT c.x FROM c, ^silver.a",
    "lateral view": (
        "SELECT e.x, silver.x FROM ^silver.t LATERAL VIEW explode(^silver.t.xs) silver AS x "
        "LATERAL VIEW OUTER explode(t.ys) e AS x"
    ),
    "lateral subquery": "SELECT * FROM ^silver.t, LATERAL (SELECT ^silver.t.id + 1 AS next) n",
    "lambda": "SELECT transform(^silver.t.xs, silver -> silver.t.id) FROM ^silver.t",
    "table function": "SELECT * FROM range(3) JOIN ^silver.t",
    "values": "SELECT * FROM VALUES (1, 2) AS silver(t, u) JOIN ^gold.x ON silver.t = x.id",
    "pivot": "SELECT * FROM ^silver.t PIVOT (sum(x) FOR y IN ('silver.t', 'b'))",
    "function with a full name": "SELECT system.bucket(4, id), silver.f(id) FROM ^silver.t",
    "no table": "SELECT 1 AS silver",
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_prefix_stands_before_each_layer_and_nowhere_else(query: str) -> None:
    plain = query.replace(MARKED, "")
    assert with_prefix(plain, "dev_", catalog="lake") == query.replace(MARKED, "dev_")


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_no_prefix_changes_no_byte(query: str) -> None:
    plain = query.replace(MARKED, "")
    assert with_prefix(plain, "", catalog="lake") == plain


def test_without_a_prefix_nothing_is_read() -> None:
    for wrong in ("SELECT FROM WHERE", "SELECT * FROM IDENTIFIER('silver.' || 'a')", ""):
        assert with_prefix(wrong, "", catalog="lake") == wrong


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES.keys())
def test_tables_are_the_same_ones_as_lineage_finds(query: str) -> None:
    plain = query.replace(MARKED, "")
    before = [name.parts for name in read_query(plain).tables]
    after = [name.parts for name in read_query(with_prefix(plain, "dev_", catalog="lake")).tables]
    assert [tuple(part.removeprefix("dev_") for part in parts) for parts in after] == before


def test_layout_does_not_matter() -> None:
    blanks = [" ", "\n", "\t", "  \r\n", " /* silver.a */ ", " -- silver.a '\n"]
    words = ["SELECT", "^silver.a.id", "FROM", "^silver.a", "JOIN", "`^gold`.b", "ON", "`^gold`.b.id", "=", "1"]
    for first, second in itertools.product(blanks, repeat=2):
        text = "".join(word + (first if n % 2 else second) for n, word in enumerate(words))
        assert with_prefix(text.replace("^", ""), "p", catalog="lake") == text.replace("^", "p"), text


@pytest.mark.parametrize("sql", ["SELECT * FROM IDENTIFIER('silver.' || 'a')", "{% if x %}SELECT 1{% endif %}"])
def test_computed_names_cannot_get_a_prefix(sql: str) -> None:
    with pytest.raises(SqlError, match=r"cannot be read from its text, so they cannot get the prefix `dev_`"):
        with_prefix(sql, "dev_", catalog="lake")


CHECKS: dict[str, tuple[str, Any, Any]] = {
    "own metric": ("row_count > 0", None, None),
    "same count": ("row_count same as gold.b", None, {"row_count same as dev_gold.b": None}),
    "quoted": ("row_count same as `gold`.`b`", None, {"row_count same as `dev_gold`.`b`": None}),
    "catalog in front": ("row_count same as lake.gold.b", None, {"row_count same as lake.dev_gold.b": None}),
    "bare name": ("row_count same as b", None, None),
    "reference": (
        "values in (gold) must exist in gold.b (id)",
        {"name": "all of gold.b", "samples limit": 0},
        {"values in (gold) must exist in dev_gold.b (id)": {"name": "all of gold.b", "samples limit": 0}},
    ),
    "failed rows": (
        "failed rows",
        {"name": "as in silver.a", "fail query": "SELECT * FROM silver.a JOIN gold.b USING (id) -- gold.b"},
        {"failed rows": {
            "name": "as in silver.a",
            "fail query": "SELECT * FROM dev_silver.a JOIN dev_gold.b USING (id) -- gold.b",
        }},
    ),
    "failed rows by a condition": (
        "failed rows",
        {"fail condition": "silver.a.x > 1 OR id IN (SELECT id FROM gold.b)"},
        {"failed rows": {"fail condition": "dev_silver.a.x > 1 OR id IN (SELECT id FROM dev_gold.b)"}},
    ),
    "condition without names": ("failed rows", {"fail condition": "delay > 1.5 and f.x = 'gold.b'"}, None),
    "metric of one's own": (
        "spread < 3",
        {"spread expression": "max(silver.a.x) - min(x)"},
        {"spread < 3": {"spread expression": "max(dev_silver.a.x) - min(x)"}},
    ),
    "metric by a query": (
        "total = 5",
        {"total query": "SELECT count(*) FROM silver.a"},
        {"total = 5": {"total query": "SELECT count(*) FROM dev_silver.a"}},
    ),
    "filter": (
        "row_count = 2",
        {"filter": "silver.a.x = 'gold.b'"},
        {"row_count = 2": {"filter": "dev_silver.a.x = 'gold.b'"}},
    ),
    "groups": (
        "group by",
        {
            "query": "SELECT c, avg(d) AS d FROM silver.a GROUP BY c",
            "fields": ["c"],
            "checks": [{"d": {"fail": "> 1"}}],
        },
        {"group by": {
            "query": "SELECT c, avg(d) AS d FROM dev_silver.a GROUP BY c",
            "fields": ["c"],
            "checks": [{"d": {"fail": "> 1"}}],
        }},
    ),
    "values that look like names": ("invalid_count(c) = 0", {"valid values": ["gold.b"], "valid regex": "b.c"}, None),
}  # fmt: skip


@pytest.mark.parametrize(("text", "body", "expected"), CHECKS.values(), ids=CHECKS.keys())
def test_checks_name_the_tables_of_the_catalog(text: str, body: Any, expected: Any) -> None:
    assert check_with_prefix(text, body, "dev_", catalog="lake", table="silver.a") == expected
    assert check_with_prefix(text, body, "", catalog="lake", table="silver.a") is None


@pytest.fixture
def prefixed(environment: Environment) -> Environment:
    """The local environment with a prefix."""
    return replace(environment, catalog=replace(environment.catalog, namespace_prefix="dev_"))


SETTINGS = {
    "sql": "SELECT silver.f.id FROM lake.silver.f JOIN gold.f g;\n",
    "checks": [
        {"row_count same as silver.f": {"on_fail": "warn"}},
        {"failed rows": {"fail query": "SELECT * FROM gold.a WHERE id IS NULL"}},
        "row_count > 0",
    ],
    "write": "replace",
}


def test_request_has_the_prefix_in_what_runs_and_nowhere_else(environment: Environment, prefixed: Environment) -> None:
    plain = table_request("gold.a", SETTINGS, environment=environment, upstream=["silver.f"])
    request = table_request("gold.a", SETTINGS, environment=prefixed, upstream=["silver.f"])
    transform, checks = request.steps[0], request.steps[2]
    assert isinstance(transform, TransformStep)
    assert isinstance(checks, CheckStep)
    assert transform.sql == "SELECT dev_silver.f.id FROM lake.dev_silver.f JOIN dev_gold.f g"
    assert transform.inputs == ("gold.f", "silver.f")
    query = {"fail query": "SELECT * FROM gold.a WHERE id IS NULL"}
    assert checks.checks == (
        Check(
            "row_count same as silver.f",
            on_fail="warn",
            on_error="warn",
            sodacl={"row_count same as dev_silver.f": None},
        ),
        Check(
            "failed rows",
            body=query,
            sodacl={"failed rows": {"fail query": "SELECT * FROM dev_gold.a WHERE id IS NULL"}},
        ),
        Check("row_count > 0"),
    )
    assert checks.inputs == ("silver.f",)
    assert request.quarantine == Quarantine(table="gold.a__quarantine")
    # All else is as without a prefix, the hash too: what the table holds is the same.
    steps = (replace(transform, sql=SETTINGS["sql"].strip().rstrip(";")), request.steps[1])  # type: ignore[attr-defined]
    unprefixed = replace(checks, checks=tuple(replace(check, sodacl=None) for check in checks.checks))
    assert replace(request, steps=(*steps, unprefixed, *request.steps[3:])) == plain


def test_request_that_only_checks(prefixed: Environment) -> None:
    (step,) = check_request("gold.a", ["row_count same as silver.f"], environment=prefixed).steps
    assert step == CheckStep(
        checks=(Check("row_count same as silver.f", sodacl={"row_count same as dev_silver.f": None}),),
        inputs=("silver.f",),
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"sql": "SELECT *\nFROM IDENTIFIER('silver.' || 'f')", "depends_on": "silver.f"},
            "gold.a: sql: the tables of this SQL cannot be read from its text, so they cannot get the prefix `dev_` "
            "(line 1 of the query); Write the names of its tables out.",
        ),
        (
            {"sql": "SELECT 1", "checks": [{"failed rows": {"fail query": "SELECT * FROM IDENTIFIER('silver.f')"}}]},
            "gold.a: checks: `failed rows`: the tables of this SQL cannot be read from its text, so they cannot get "
            "the prefix `dev_`; Write the names of its tables out.",
        ),
    ],
)
def test_request_with_computed_names_says_so(
    environment: Environment, prefixed: Environment, settings: dict[str, Any], message: str
) -> None:
    table_request("gold.a", settings, environment=environment)
    with pytest.raises(SpecError, match=re.escape(message)):
        table_request("gold.a", settings, environment=prefixed)

"""Which tables a query reads: a table of SQL and what is found in it."""

from __future__ import annotations

import time

import pytest

from airflow_lake_provider.spec.lineage import SqlError, is_deterministic, read_predicate, read_query

READS = {
    "one table": ("SELECT * FROM bronze.flights", "bronze.flights"),
    "a join": ("SELECT * FROM a.x JOIN b.y USING (id) LEFT JOIN c.z ON true", "a.x b.y c.z"),
    "semi and anti joins": ("SELECT * FROM a.x LEFT SEMI JOIN b.y USING (id) ANTI JOIN c.z USING (id)", "a.x b.y c.z"),
    "commas": ("SELECT * FROM a.x, b.y q, (SELECT * FROM c.z) AS s", "a.x b.y c.z"),
    "unions": ("SELECT 1 FROM a.x UNION ALL (SELECT 1 FROM b.y EXCEPT SELECT 1 FROM c.z)", "a.x b.y c.z"),
    "subqueries in the select, where and having": (
        "SELECT (SELECT max(i) FROM a.x) FROM b.y WHERE i IN (SELECT i FROM c.z) GROUP BY 1 "
        "HAVING count(*) > (SELECT 1 FROM d.w)",
        "a.x b.y c.z d.w",
    ),
    "an exists": ("SELECT * FROM a.x WHERE EXISTS (SELECT 1 FROM b.y WHERE b.y.id = x.id)", "a.x b.y"),
    "a CTE": ("WITH f AS (SELECT * FROM a.x) SELECT * FROM f JOIN f AS g USING (id)", "a.x"),
    "a CTE that reads an earlier one": ("WITH f AS (SELECT * FROM a.x), g AS (SELECT * FROM f) SELECT * FROM g", "a.x"),
    "a CTE in another case": ("WITH Flights AS (SELECT * FROM a.x) SELECT * FROM FLIGHTS", "a.x"),
    "a CTE with the name of a layer": ("WITH a AS (SELECT * FROM b.y) SELECT * FROM a, a.x", "a.x b.y"),
    "a CTE inside itself is the table": ("WITH x AS (SELECT * FROM x) SELECT * FROM x", "x"),
    "a CTE outside its query is a table": ("SELECT * FROM (WITH y AS (SELECT * FROM a.x) SELECT * FROM y), y", "a.x y"),
    "a recursive CTE": (
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r JOIN a.x) SELECT * FROM r",
        "a.x",
    ),
    "backticks": ("SELECT * FROM `bronze`.`flights`", "bronze.flights"),
    "backticks with blanks": ("SELECT * FROM `lake` . `bronze` . `flights`", "lake.bronze.flights"),
    "three parts": ("SELECT * FROM lake.bronze.flights", "lake.bronze.flights"),
    "four parts": ("SELECT * FROM lake.bronze.flights.snapshots", "lake.bronze.flights.snapshots"),
    "time travel": ("SELECT * FROM a.x VERSION AS OF 3", "a.x"),
    "table functions": ("SELECT * FROM range(10), a.x, explode(array(1, 2))", "a.x"),
    "lateral views": ("SELECT * FROM a.x LATERAL VIEW explode(tags) t AS tag", "a.x"),
    "inline values": ("SELECT * FROM VALUES (1, 2) AS t(a, b) JOIN a.x", "a.x"),
    "pivots": ("SELECT * FROM a.x PIVOT (sum(v) FOR k IN ('p', 'q'))", "a.x"),
    "hints": ("SELECT /*+ BROADCAST(y) */ * FROM a.x JOIN b.y", "a.x b.y"),
    "columns with dots": ("SELECT a.x.y, c.d.e FROM a.x", "a.x"),
    "strings and comments": ("SELECT 'FROM b.y' /* FROM c.z */ FROM a.x -- FROM d.w", "a.x"),
    "from first": ("FROM a.x SELECT id", "a.x"),
    "a trailing semicolon": ("SELECT * FROM a.x; -- done", "a.x"),
    "a template for a value": ("SELECT * FROM a.x WHERE n > {{ params.n }} AND d = '{{ ds }}'", "a.x"),
    "a template with quotes in a string": ("""SELECT '{{ macros.ds_add("x", 1) ~ 'y' }}' FROM a.x""", "a.x"),
    "a template after a type": (
        "SELECT * FROM a.x WHERE d = DATE '{{ data_interval_start | ds }}' LIMIT {{ n }}",
        "a.x",
    ),
    "a template for an interval": ("SELECT d - INTERVAL {{ n }} DAYS FROM a.x TABLESAMPLE ({{ p }} PERCENT)", "a.x"),
    "a template for a column": ("SELECT {{ params.column }} FROM a.x", "a.x"),
    "a template for a condition": ("SELECT * FROM a.x WHERE {{ params.where }}", "a.x"),
    "a template's comment": ("SELECT * {# FROM b.y #} FROM a.x", "a.x"),
}


@pytest.mark.parametrize(("sql", "tables"), READS.values(), ids=READS.keys())
def test_tables_of_a_query(sql: str, tables: str) -> None:
    query = read_query(sql)
    assert query.readable
    assert sorted({".".join(name.parts) for name in query.tables}) == sorted(tables.split())


@pytest.mark.parametrize(("sql", "tables"), READS.values(), ids=READS.keys())
def test_each_table_is_where_it_says(sql: str, tables: str) -> None:
    for name in read_query(sql).tables:
        found = sql[name.start : name.end].replace("`", "").replace(" ", "")
        assert found == ".".join(name.parts)


UNREAD = {
    "a template for a table": "SELECT * FROM {{ params.table }}",
    "a template for a layer": "SELECT * FROM {{ params.layer }}.flights",
    "a template in a name": "SELECT * FROM bronze.flights_{{ ds_nodash }}",
    "a template in backticks": "SELECT * FROM bronze.`flights_{{ ds_nodash }}`",
    "a template for a join": "SELECT * FROM a.x {{ params.join }}",
    "a statement": "SELECT * FROM a.x {% if params.all %} UNION ALL SELECT * FROM b.y {% endif %}",
    "a name made by an expression": "SELECT * FROM IDENTIFIER('bronze.' || 'flights')",
}


@pytest.mark.parametrize("sql", UNREAD.values(), ids=UNREAD.keys())
def test_sql_whose_tables_something_else_decides_is_not_read(sql: str) -> None:
    query = read_query(sql)
    assert not query.readable
    assert query.tables == ()


REFUSED = {
    "an insert": ("INSERT INTO a.x SELECT 1", "INSERT", "`INSERT` is not a SELECT"),
    "an insert behind a CTE": ("WITH f AS (SELECT 1) INSERT INTO a.x SELECT * FROM f", "INSERT", "not a SELECT"),
    "a merge": ("MERGE INTO a.x USING b.y ON true WHEN MATCHED THEN DELETE", "MERGE", "`MERGE` is not a SELECT"),
    "a delete": ("-- away\nDELETE FROM a.x", "DELETE", "`DELETE` is not a SELECT"),
    "a drop": ("DROP TABLE a.x", "DROP", "`DROP` is not a SELECT"),
    "a create table": ("CREATE TABLE a.x AS SELECT 1", "CREATE", "`CREATE` is not a SELECT"),
    "a command": ("CACHE TABLE a.x", "CACHE", "`CACHE` is not a SELECT"),
    "a show": ("SHOW TABLES", "SHOW", "`SHOW` is not a SELECT"),
    "two statements": ("SELECT 1; SELECT 2", ";", "there are 2 statements"),
    "only a comment": ("-- SELECT 1", "-- SELECT 1", "there is no SQL here"),
    "a missing name": ("SELECT * FROM WHERE x", "WHERE", "does not parse"),
    "a second line": ("SELECT a,\n  b c d\nFROM a.x", "d", "does not parse"),
    "an open string": ("SELECT 'it''s\nFROM a.x", "'", "nothing closes this quote"),
    "an open comment": ("SELECT 1 /* more", "/", "nothing closes this comment"),
    "an open parenthesis": ("SELECT (1 FROM a.x", "FROM", "does not parse"),
}


@pytest.mark.parametrize(("sql", "where", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_other_sql_is_refused_at_the_place(sql: str, where: str, message: str) -> None:
    with pytest.raises(SqlError) as caught:
        read_query(sql)
    assert message in caught.value.message
    assert sql[caught.value.start : caught.value.end].startswith(where[: len(where)])
    assert "\033" not in caught.value.message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT current_timestamp()",
        "SELECT CURRENT_DATE",
        "SELECT now() AS n",
        "SELECT rand(42)",
        "SELECT uuid ()",
        "SELECT shuffle(tags) FROM a.x",
        "SELECT unix_timestamp()",
        "SELECT monotonically_increasing_id() FROM a.x",
        "SELECT * FROM a.x TABLESAMPLE (5 ROWS)",
        "SELECT TIMESTAMP 'now'",
    ],
)
def test_the_clock_and_chance_are_not_deterministic(sql: str) -> None:
    assert not is_deterministic(sql)
    assert not read_query(sql).deterministic


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'now()' AS text",
        "SELECT 1 -- rand()",
        "SELECT `now`, x.current_date, randomness(1) FROM a.x",
        "SELECT unix_timestamp(ts) FROM a.x",
        "SELECT * FROM a.x TABLESAMPLE (5 ROWS) REPEATABLE (3)",
        "SELECT to_date('{{ data_interval_start | ds }}')",
    ],
)
def test_what_only_looks_like_the_clock_is_deterministic(sql: str) -> None:
    assert is_deterministic(sql)


def test_columns_of_a_predicate_with_their_places() -> None:
    text = "price >= 0 AND exists(tags, t -> t > {{ params.n }}) OR st.field IN ('a')"
    assert [(name, text[start:end]) for name, start, end in read_predicate(text)] == [
        ("price", "price"),
        ("tags", "tags"),
        ("st", "st"),
    ]


@pytest.mark.parametrize(
    "text", ["a, b", "a > 0 AS ok", "sum(a) > 0", "a > (SELECT 1)", "*", "a > 0 LIMIT 1", "a > 0; SELECT 1", "a >"]
)
def test_what_is_no_predicate_of_one_row_is_refused(text: str) -> None:
    with pytest.raises(SqlError):
        read_predicate(text)


def test_a_long_query_is_refused_at_once() -> None:
    with pytest.raises(SqlError, match="more than 100,000 characters"):
        read_query("SELECT " + "1 + " * 100_000 + "1")


def test_a_deeply_nested_query_is_refused_not_fatal() -> None:
    with pytest.raises(SqlError, match="nested too deeply"):
        read_query("SELECT " + "(" * 20_000 + "1" + ")" * 20_000)


def test_a_query_that_can_be_read_in_too_many_ways_is_refused_soon() -> None:
    started = time.process_time()
    with pytest.raises(SqlError, match="too many ways") as caught:
        read_query("SELECT * FROM a.a " + " ".join(f"LEFT JOIN a.t{n}" for n in range(100)))
    assert "CROSS JOIN" in caught.value.hint
    assert time.process_time() - started < 2


def test_many_joins_with_conditions_are_no_trouble() -> None:
    joins = " ".join(f"LEFT JOIN a.t{n} ON t{n}.id = b.id CROSS JOIN a.c{n}" for n in range(100))
    assert len(read_query(f"SELECT * FROM a.b AS b {joins}").tables) == 201

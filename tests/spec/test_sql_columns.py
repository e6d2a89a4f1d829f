"""Columns that a query cannot have: said where it is certain, and only there."""

from __future__ import annotations

import pytest

from airflow_lake_provider.spec.lineage import TableName
from airflow_lake_provider.spec.sql_columns import unknown_columns

CONTRACTS = {"bronze.flights": ("id", "dep", "struct", "tags"), "bronze.weather": ("id", "temp")}


def contract(name: TableName) -> tuple[str, ...] | None:
    return CONTRACTS.get(".".join(name.parts).lower())


def found(sql: str) -> list[str]:
    columns = unknown_columns(sql, contract)
    for column in columns:
        assert sql[column.start : column.end].strip("`") == column.name
    return [f"{column.table}.{column.name}" for column in columns]


CERTAIN = {
    "SELECT fligth FROM bronze.flights": ["bronze.flights.fligth"],
    "SELECT `id`, `idd` FROM Bronze.Flights": ["Bronze.Flights.idd"],
    "SELECT f.fligth, f.struct.x, struct.y, ID FROM bronze.flights f": ["f.fligth"],
    "SELECT temp, tmp, w.dep FROM bronze.flights f JOIN bronze.weather w ON f.id = w.idd": [".tmp", "w.dep", "w.idd"],
    "WITH q AS (SELECT id, dep AS d FROM bronze.flights) SELECT id, dp FROM q WHERE d > 1 ORDER BY x": ["q.dp", "q.x"],
    "WITH q AS (SELECT * FROM bronze.flights) SELECT id, dp FROM q": ["q.dp"],
    "WITH q(a, b) AS (SELECT id, dep FROM bronze.flights) SELECT a, id FROM q": ["q.id"],
    "SELECT x.dep FROM (SELECT id, dep FROM bronze.flights) x WHERE x.tags IS NULL": ["x.tags"],
    "SELECT id FROM bronze.flights f WHERE EXISTS (SELECT 1 FROM bronze.weather w WHERE w.id = f.idd)": ["f.idd"],
    "SELECT id FROM bronze.flights WHERE id IN (SELECT fid FROM bronze.weather)": [".fid"],
    "SELECT (SELECT max(temp) FROM bronze.weather w WHERE w.id = f.idd) AS m FROM bronze.flights f": ["f.idd"],
    "SELECT id FROM bronze.flights UNION ALL SELECT idd FROM bronze.weather": ["bronze.weather.idd"],
    "SELECT count(*) FROM bronze.flights WHERE fligth > 1": ["bronze.flights.fligth"],
    "SELECT sum(id) FILTER (WHERE depp > 1) FROM bronze.flights GROUP BY CUBE (dep, idd)": [
        "bronze.flights.depp",
        "bronze.flights.idd",
    ],
    "SELECT row_number() OVER (PARTITION BY depp ORDER BY id) AS n FROM bronze.flights": ["bronze.flights.depp"],
    "SELECT idd FROM bronze.flights WHERE dep = {{ x }} AND {{ y }} > 1": ["bronze.flights.idd"],
}


@pytest.mark.parametrize("sql", CERTAIN)
def test_a_column_that_no_table_in_sight_has(sql: str) -> None:
    assert found(sql) == CERTAIN[sql]


UNCERTAIN = [
    "SELECT a FROM bronze.flights JOIN raw.other",
    "SELECT a FROM raw.other",
    "SELECT f.a FROM bronze.flights f JOIN raw.other",  # it may have a struct `f`
    "SELECT id AS x, x + 1 AS y FROM bronze.flights ORDER BY y",
    "SELECT dep AS d, count(*) AS n FROM bronze.flights GROUP BY d HAVING n > 1 ORDER BY ALL",
    "SELECT transform(tags, t -> t.a + 1), aggregate(tags, 0, (acc, x) -> acc + x) FROM bronze.flights",
    "SELECT x FROM bronze.flights LATERAL VIEW explode(tags) t AS x",
    "SELECT x.y FROM bronze.flights, LATERAL (SELECT 1 AS y) x",
    "SELECT explode(tags), col FROM bronze.flights",
    "SELECT * FROM (SELECT explode(tags) FROM bronze.flights) WHERE col = 1",
    "SELECT stack(2, id, dep) AS (p, q), p FROM bronze.flights",
    "SELECT * FROM bronze.flights PIVOT (sum(dep) FOR id IN (1 AS a, 2 AS b)) WHERE a > 1",
    "SELECT x FROM (VALUES (1)) AS t(x)",
    "SELECT x, y FROM bronze.flights AS f(x, y, z, w)",
    "SELECT id FROM bronze.flights VERSION AS OF 3 WHERE old = 1",
    "SELECT snapshot_id FROM bronze.flights.snapshots",
    "SELECT _source_file, _ingested_at, _file, _pos, current_user, user FROM bronze.flights",
    "SELECT current_date, current_timestamp, grouping__id FROM bronze.flights",
    "SELECT make_interval(days => id), interval 1 day, dateadd(DAY, 1, dep) FROM bronze.flights",
    "SELECT timestampdiff(MONTH, dep, dep), extract(YEAR FROM dep), named_struct('a', id).a FROM bronze.flights",
    "SELECT /*+ BROADCAST(x) */ x.* FROM bronze.flights x",
    "SELECT x.* EXCEPT (q) FROM bronze.flights x",
    "SELECT id FROM bronze.flights f WHERE EXISTS (WITH q AS (SELECT 1 AS a WHERE dep = 1) SELECT a FROM q)",
    "SELECT id FROM bronze.flights WHERE EXISTS (SELECT 1 FROM bronze.weather WHERE dep = temp UNION SELECT dep)",
    "WITH RECURSIVE r AS (SELECT id FROM bronze.weather UNION ALL SELECT n + 1 FROM r) SELECT n FROM r",
    "SELECT * FROM bronze.flights NATURAL JOIN bronze.weather WHERE temp > 1",
    "SELECT * FROM bronze.flights JOIN bronze.weather USING (id) WHERE id > 1",
    "SELECT {{ column }} FROM bronze.flights",
    "{% if x %}SELECT a FROM bronze.flights{% endif %}",
]


@pytest.mark.parametrize("sql", UNCERTAIN)
def test_what_may_be_there_is_left_to_spark(sql: str) -> None:
    assert found(sql) == []

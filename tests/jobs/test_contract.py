from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from airflow_lake_provider.jobs.cast import Formats
from airflow_lake_provider.jobs.contract import apply_contract
from airflow_lake_provider.jobs.errors import ContractError
from airflow_lake_provider.protocol import Column

pytestmark = pytest.mark.spark


@pytest.fixture(params=["false", "true"], ids=["ANSI off", "ANSI on"])
def session(spark: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The session with ANSI mode off, as on Spark 3.5, and on, as on Spark 4."""
    before = spark.conf.get("spark.sql.ansi.enabled")
    spark.conf.set("spark.sql.ansi.enabled", request.param)
    yield spark
    spark.conf.set("spark.sql.ansi.enabled", before)


def judge(df: Any, columns: Any, **options: Any) -> list[tuple[tuple[Any, ...], list[str], Any]]:
    """Return each row's values, reasons and raw text."""
    contract = None if columns is None else [c if isinstance(c, Column) else Column(*c) for c in columns]
    judged = apply_contract(df, columns=contract, **{"origin": "query", "table": "silver.t", **options})
    return [(tuple(row)[:-2], row["_lake_reasons"], row["_lake_raw"]) for row in judged.df.collect()]


NO = "does not fit"
TEXTS: list[tuple[str, dict[str, Any]]] = [
    ("int", {"5": 5, " 5 ": 5, "+5": 5, "5.0": 5, "5.": 5, "-3.00 ": -3, "1e3": 1000, "1.2E3": 1200}),
    ("int", dict.fromkeys(["5.7", "", " ", "abc", "99999999999", "1_0", "1,0", "0x10", "5.0.0", "1e-3", "NaN"], NO)),
    ("int", dict.fromkeys(["1e99", "1.5e0", "--1", "٣", "5d", "true"], NO)),
    ("bigint", {"9223372036854775807": 2**63 - 1, "9223372036854775808": NO, "1.0E10": 10**10}),
    ("smallint", {"5": 5, "40000": 40000}),
    ("double", {"1.5": 1.5, "1e3": 1000.0, "-.5": -0.5, " 2 ": 2.0, "NaN": "nan", "Infinity": "inf", "-inf": "-inf"}),
    ("double", dict.fromkeys(["1d", "2f", "1e400", "abc", "", "1,5"], NO)),
    ("float", {"1.5": 1.5, "1e39": NO}),
    ("decimal(5,2)", {"1.5": "1.50", "1.005": "1.01", "999.99": "999.99", "1e2": "100.00", "999.995": NO, "x": NO}),
    ("boolean", {"true": True, "F": False, "yes": True, "0": False, "maybe": NO, "2": NO, "": NO}),
    ("date", {"2026-01-31": "2026-01-31", "2026-1-5": "2026-01-05", " 2026-01-31 00:00:00": "2026-01-31"}),
    ("date", dict.fromkeys(["2026-1-5 x", "2026-1-5T", "2026-01-31T", "2026-01-31T10:00", "epoch"], NO)),
    ("date", dict.fromkeys(["2026", "2026-01", "2026-02-30", "2026-01-31 10:00", "2026-01-31 x", "31.01.2026"], NO)),
    ("timestamp", {"2026-01-31 07:30:00": "2026-01-31 07:30:00", "2026-01-31T07:30:00Z": "2026-01-31 07:30:00"}),
    ("timestamp", {"2026-01-31T07:30:00+02:00": "2026-01-31 05:30:00", "2026-01-31": "2026-01-31 00:00:00"}),
    (
        "timestamp",
        dict.fromkeys(["07:30", "2026", "2026-01-31 25:00", "now", "1769844600", "2026-01-31 7 o'clock"], NO),
    ),
    ("timestamp_ntz", {"2026-01-31 07:30:00.5": "2026-01-31 07:30:00.500000", "2026-01-31T07:30:00Z": NO, "x": NO}),
    ("binary", {"hi": "bytearray(b'hi')"}),
    ("string", {"x": "x", "": ""}),
    ("array<int>", {"[1,2]": "[1, 2]", "[]": "[]", '[1,"x"]': NO, "5": NO, "x": NO, "{}": NO, "[1.5]": NO, "[1": NO}),
    ("struct<a: int>", {'{"a": 1}': "Row(a=1)", "{}": "Row(a=None)", '{"a": "x"}': NO, "[]": NO, "1}": NO}),
    ("map<string,int>", {'{"a": 1}': "{'a': 1}", '{"a": "x"}': NO}),
]


@pytest.mark.parametrize(("kind", "texts"), TEXTS, ids=[f"{kind} {'|'.join(texts)}"[:60] for kind, texts in TEXTS])
def test_text_fits_a_type_or_says_that_it_does_not(session: Any, kind: str, texts: dict[str, Any]) -> None:
    df = session.createDataFrame([(text,) for text in texts], "x string")
    rows = judge(df, [("x", kind)])
    assert [NO if reasons else str(row[0]) for row, reasons, _ in rows] == [str(value) for value in texts.values()]
    article = "an" if kind[0] in "aeiou" else "a"
    assert [reasons for _, reasons, _ in rows if reasons] == [
        [f"x: '{text}' is not {article} {kind}"] for text, value in texts.items() if value is NO
    ]


VALUES: list[tuple[str, str, str, Any]] = [
    ("double", "5.0D", "int", 5),
    ("double", "5.7D", "int", NO),
    ("double", "1e10D", "int", NO),
    ("decimal", "5.00BD", "bigint", 5),
    ("decimal", "5.01BD", "bigint", NO),
    ("decimal", "12345.678BD", "decimal(7,2)", "12345.68"),
    ("decimal", "12345.678BD", "decimal(6,2)", NO),
    ("bigint", "3000000000L", "int", NO),
    ("bigint", "3L", "double", 3.0),
    ("bigint", "3L", "string", "3"),
    ("int", "1", "boolean", True),
    ("int", "2", "boolean", NO),
    ("boolean", "true", "int", 1),
    ("timestamp", "timestamp '2026-01-31 00:00:00'", "date", "2026-01-31"),
    ("timestamp", "timestamp '2026-01-31 10:00:00'", "date", NO),
    ("timestamp", "timestamp '2026-01-31 10:00:00'", "timestamp_ntz", "2026-01-31 10:00:00"),
    ("date", "date '2026-01-31'", "timestamp", "2026-01-31 00:00:00"),
    ("NULL", "NULL", "array<int>", None),
    ("array", "array(1.0D, 2.0D)", "array<int>", "[1, 2]"),
    ("array", "array(1.0D, 2.5D)", "array<int>", NO),
    ("array of text", "array('1', 'x')", "array<int>", NO),
    ("struct", "named_struct('B', 1, 'a', '5', 'c', 0)", "struct<a: bigint, b: string>", "Row(a=5, b='1')"),
    ("map", "map('k', 2.5D)", "map<string, int>", NO),
    ("struct to text", "named_struct('a', 1)", "string", '{"a":1}'),
]


@pytest.mark.parametrize(("have", "sql", "kind", "expected"), VALUES, ids=[f"{s} as {k}" for _, s, k, _ in VALUES])
def test_typed_values_fit_where_nothing_is_lost(session: Any, have: str, sql: str, kind: str, expected: Any) -> None:
    ((values, reasons, _),) = judge(session.sql(f"SELECT {sql} AS x"), [("x", kind)])
    assert (NO if reasons else str(values[0])) == str(expected)


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("1", "date"),
        ("1", "array<int>"),
        ("date '2026-01-01'", "int"),
        ("array(1)", "map<int,int>"),
        ("true", "timestamp"),
    ],
)
def test_types_of_which_no_value_could_fit_are_an_error(spark: Any, sql: str, kind: str) -> None:
    with pytest.raises(ContractError, match=r"^silver\.t: x is .* in the contract and .* in the source; no such value"):
        judge(spark.sql(f"SELECT {sql} AS x"), [("x", kind)])


def test_the_result_has_the_contracts_columns_then_the_metadata(session: Any) -> None:
    df = session.sql("SELECT 'r' AS _run_id, 'f' AS _SOURCE_FILE, '2' AS B, 1 AS more, '1' AS a, now() AS _ingested_at")
    contract = [Column("a", "int"), Column("b", "int")]
    judged = apply_contract(df, columns=contract, origin="query", table="t")
    assert judged.df.columns == ["a", "b", "_SOURCE_FILE", "_ingested_at", "_run_id", "_lake_reasons", "_lake_raw"]
    assert judged.df.dtypes[:2] == [("a", "int"), ("b", "int")]
    assert judged.df.dtypes[-2:] == [("_lake_reasons", "array<string>"), ("_lake_raw", "string")]
    assert (judged.left_out, judged.missing) == (("more",), ())


def test_without_a_contract_the_batch_stays_as_it_is(session: Any) -> None:
    df = session.sql("SELECT 1 AS a, 'x' AS `b.c``d`, array(1) AS l, 'r' AS _run_id")
    judged = apply_contract(df, columns=None, unique_key=["A"], origin="query", table="t")
    assert judged.df.dtypes[:4] == [("a", "int"), ("b.c`d", "string"), ("l", "array<int>"), ("_run_id", "string")]
    assert [tuple(row) for row in judged.df.collect()] == [(1, "x", [1], "r", [], None)]


def test_null_where_it_must_not_be_is_a_reason(session: Any) -> None:
    df = session.sql("SELECT stack(3, 1, 'x', 1, NULL, NULL, 1, 2, 'y', NULL) AS (a, b, c)")
    contract = [Column("a", "int"), Column("b", "string", nullable=False), Column("c", "int")]
    assert [(reasons, raw) for _, reasons, raw in judge(df, contract, unique_key=["A", "c"])] == [
        ([], None),
        (["a is NULL, which a unique_key must not be", "b is NULL"], '{"a":null,"b":null,"c":1}'),
        (["c is NULL, which a unique_key must not be"], '{"a":2,"b":"y","c":null}'),
    ]


def test_a_value_that_does_not_fit_is_not_also_null(session: Any) -> None:
    df = session.sql("SELECT 'x' AS a")
    contract = [Column("a", "int", nullable=False, rule="a > 0")]
    assert judge(df, contract, unique_key=["a"])[0][1] == ["a: 'x' is not an int"]


def test_rules_judge_typed_values_and_null_passes(session: Any) -> None:
    df = session.sql("SELECT stack(4, '5', '1', '0', '1', NULL, '1', '7', '9') AS (price, low)")
    contract = [Column("price", "int", rule="price > 0 -- not free"), Column("low", "int", rule="low <=\n  price")]
    assert [reasons for _, reasons, _ in judge(df, contract)] == [
        [],
        ["rule of price failed: price > 0 -- not free", "rule of low failed: low <= price"],
        [],
        ["rule of low failed: low <= price"],
    ]


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("nope > 0", "rule of a cannot be understood: nope > 0: .*nope"),
        ("a >", "rule of a cannot be understood: a >: .*PARSE_SYNTAX_ERROR"),
        ("a + 1", "rule of a gives a int, not a boolean: a \\+ 1"),
        ("sum(a) > 0", "rule of a cannot be understood: sum\\(a\\) > 0"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_an_error(spark: Any, rule: str, message: str) -> None:
    with pytest.raises(ContractError, match=message) as caught:
        judge(spark.sql("SELECT 1 AS a"), [Column("a", "int", rule=rule)])
    assert "\n" not in str(caught.value)


def test_reasons_quote_at_most_sixty_characters(session: Any) -> None:
    df = session.createDataFrame([("é" * 61,), ("x" * 60,)], "a string")
    reasons = [reasons[0] for _, reasons, _ in judge(df, [("a", "int")])]
    assert reasons == [f"a: '{'é' * 60}…' is not an int", f"a: '{'x' * 60}' is not an int"]


def test_reasons_of_the_reader_stand_alone_with_their_text(session: Any) -> None:
    df = session.sql(
        "SELECT CAST(NULL AS STRING) AS a, array('line does not parse') AS _lake_reasons, 'a;b' AS _lake_raw"
    )
    assert judge(df, [Column("a", "int", nullable=False)], origin="file") == [((None,), ["line does not parse"], "a;b")]


def test_a_query_must_give_every_column(spark: Any) -> None:
    with pytest.raises(
        ContractError, match=r"^silver\.t: the query does not give the columns b, c of the contract; it gives a, d$"
    ):
        judge(spark.sql("SELECT 1 AS a, 2 AS d"), [("a", "int"), ("b", "int"), ("c", "int")])


def test_a_file_may_lack_what_may_be_null(spark: Any) -> None:
    df = spark.sql("SELECT '1' AS a")
    judged = apply_contract(df, columns=[Column("a", "int"), Column("B", "date")], origin="file", table="t")
    assert (judged.missing, judged.df.dtypes[1]) == (("B",), ("B", "date"))


def test_a_file_must_have_what_may_not_be_null(spark: Any) -> None:
    df = spark.sql("SELECT '1' AS a, '2' AS b")
    with pytest.raises(
        ContractError, match="the files do not have the column c, which the contract does not let be NULL"
    ):
        judge(df, [("a", "int"), ("c", "int", False)], origin="file")
    with pytest.raises(ContractError, match=r"the file /in/1\.csv does not have the column b, which"):
        judge(df, [("a", "int"), ("b", "int", False)], origin="file", absent={"B": "/in/1.csv"})


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("SELECT 1 AS a, 2 AS A", "two columns A"),
        ("SELECT 1 AS a, 2 AS _lake_x", "_lake_x: names that begin with _lake_ are the job's own"),
        (
            "SELECT 1 AS a, array('bad') AS _lake_reasons",
            "_lake_reasons: names that begin with _lake_ are the job's own",
        ),
        ("SELECT NULL AS a", "column a is NULL in every row and has no type"),
    ],
)
def test_batches_that_make_no_table_are_an_error(spark: Any, sql: str, message: str) -> None:
    with pytest.raises(ContractError, match=message):
        judge(spark.sql(sql), None)


def test_keys_and_sequences_must_be_columns(spark: Any) -> None:
    df = spark.sql("SELECT 1 AS a, now() AS _ingested_at")
    judge(df, None, unique_key=["a"], sequence_by="_ingested_at")
    for options in ({"unique_key": ["nope"]}, {"sequence_by": "nope"}):
        with pytest.raises(ContractError, match="there is no column nope to be a key or a sequence; there are: a"):
            judge(df, None, **options)


@pytest.mark.parametrize("kind", ["uuid", "int, b int", "nonsense", "interval day", "", "array<interval day>"])
def test_types_that_no_table_can_hold_are_an_error(spark: Any, kind: str) -> None:
    with pytest.raises(ContractError, match=r"^silver\.t: the type of a: "):
        judge(spark.sql("SELECT 1 AS a"), [("a", kind)])


def test_formats_say_how_text_is_read(session: Any) -> None:
    session.conf.set("spark.sql.legacy.timeParserPolicy", "CORRECTED")
    df = session.sql("SELECT '31/01/26' AS d, '31/01/26 7:30 PM' AS t, 'aGk=' AS b")
    formats = Formats(date="dd/MM/yy", timestamp="dd/MM/yy h:mm a", base64=True)
    ((values, reasons, _),) = judge(df, [("d", "date"), ("t", "timestamp"), ("b", "binary")], formats=formats)
    assert (reasons, [str(value) for value in values]) == (
        [],
        ["2026-01-31", "2026-01-31 19:30:00", "bytearray(b'hi')"],
    )


def test_a_wide_contract_is_judged(session: Any) -> None:
    names = [f"c{n}" for n in range(150)]
    df = session.createDataFrame(
        [tuple(str(n) for n in range(150)), ("x",) * 150], ", ".join(f"{n} string" for n in names)
    )
    contract = [Column(name, "int", nullable=False, rule=f"{name} >= 0") for name in names]
    assert [len(reasons) for _, reasons, _ in judge(df, contract)] == [0, 150]

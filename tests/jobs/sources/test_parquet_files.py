from __future__ import annotations

import base64
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.jobs.errors import ContractError, SourceError

pytestmark = pytest.mark.spark


@pytest.fixture
def parquet(spark: Any, tmp_path: Path) -> Callable[[str], bytes]:
    """Return what writes the rows of a query into one Parquet file and gives its bytes."""

    def _parquet(query: str, **conf: str) -> bytes:
        folder = tmp_path / "made"
        for name, value in conf.items():
            spark.conf.set(name.replace("__", "."), value)
        spark.sql(query).coalesce(1).write.mode("overwrite").parquet(f"file://{folder}")
        for name in conf:
            spark.conf.unset(name.replace("__", "."))
        return next(folder.glob("*.parquet")).read_bytes()

    return _parquet


def test_files_of_different_schemas_meet_by_name(read: Callable[..., Any], parquet: Callable[..., bytes]) -> None:
    files = {
        "1.parquet": parquet("SELECT 1 AS id, 'a' AS name"),
        "2.parquet": parquet("SELECT 'b' AS NAME, 2L AS id, true AS more"),
        "3.parquet": b"",
    }
    result = read(files, "parquet", columns={"id": "int", "name": "string"})
    assert sorted(result.good, key=lambda row: row["id"]) == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]
    assert (result.left_out, result.missing) == (("more",), ())
    result = read(files, "parquet")
    assert sorted(map(str, result.good)) == sorted(
        map(str, [{"id": 1, "name": "a", "more": None}, {"id": 2, "name": "b", "more": True}])
    )


def test_a_column_that_one_file_lacks_is_named(read: Callable[..., Any], parquet: Callable[..., bytes]) -> None:
    files = {"1.parquet": parquet("SELECT 1 AS id"), "2.parquet": parquet("SELECT 2 AS id, 'b' AS name")}
    assert read(files, "parquet", columns={"id": "int", "name": "string"}).missing == ("name",)
    with pytest.raises(ContractError, match=r"the file .*/1\.parquet does not have the column name"):
        read(files, "parquet", columns={"id": "int", "name": "string not null"})


def test_types_that_no_type_holds_are_an_error_that_names_both_files(
    read: Callable[..., Any], parquet: Callable[..., bytes]
) -> None:
    files = {"1.parquet": parquet("SELECT 1 AS id"), "2.parquet": parquet("SELECT 'x' AS id")}
    with pytest.raises(SourceError, match=r"^Column id is int in .*/1\.parquet and string in .*/2\.parquet; no type"):
        read(files, "parquet")


@pytest.mark.parametrize(
    ("one", "other", "kind", "values"),
    [
        ("1S", "70000", "int", [1, 70000]),
        ("1.5F", "2", "double", [1.5, 2.0]),
        ("1.50BD", "3", "decimal(12,2)", [Decimal("1.50"), Decimal("3.00")]),
        (
            "CAST(1.5 AS DECIMAL(10,1))",
            "CAST(2.25 AS DECIMAL(5,3))",
            "decimal(12,3)",
            [Decimal("1.500"), Decimal("2.250")],
        ),
    ],
)
def test_numbers_widen_where_nothing_is_lost(
    read: Callable[..., Any], parquet: Callable[..., bytes], one: str, other: str, kind: str, values: list[Any]
) -> None:
    result = read({"1.parquet": parquet(f"SELECT {one} AS x"), "2.parquet": parquet(f"SELECT {other} AS x")}, "parquet")
    assert result.df.dtypes[0] == ("x", kind)
    assert sorted(row["x"] for row in result.good) == values


def test_values_are_held_against_the_contract(read: Callable[..., Any], parquet: Callable[..., bytes]) -> None:
    query = """SELECT * FROM VALUES (1.0D, 'a', 3000000000L, true, 1.005BD), (2.5D, NULL, 1L, NULL, 12345.6BD),
               (double('NaN'), 'b', 2L, false, 0BD) AS t (x, s, n, b, d)"""
    result = read(
        {"1.parquet": parquet(query)},
        "parquet",
        columns={"x": "int", "s": "string not null", "n": "int", "b": "int", "d": "decimal(5,2)"},
    )
    assert result.good == []
    assert [reasons for reasons, _ in result.rejected] == [
        ["n: '3000000000' is not an int"],
        ["x: '2.5' is not an int", "s is NULL", "d: '12345.600' is not a decimal(5,2)"],
        ["x: 'NaN' is not an int"],
    ]
    assert result.rejected[1][1] == '{"x":2.5,"s":null,"n":1,"b":null,"d":12345.600}'


@pytest.mark.parametrize("written", ["INT96", "TIMESTAMP_MICROS", "TIMESTAMP_MILLIS"])
def test_timestamps_of_every_kind_are_the_same(
    read: Callable[..., Any], parquet: Callable[..., bytes], written: str
) -> None:
    content = parquet(
        "SELECT timestamp '2026-01-31 07:30:00.125' AS t", spark__sql__parquet__outputTimestampType=written
    )
    for kind in ("timestamp", "timestamp_ntz"):
        assert (
            str(read({"1.parquet": content}, "parquet", columns={"t": kind}).good[0]["t"])
            == "2026-01-31 07:30:00.125000"
        )


def test_nested_values_meet_by_name(read: Callable[..., Any], parquet: Callable[..., bytes]) -> None:
    query = """SELECT named_struct('B', 2L, 'a', 'x', 'c', 0) AS s, array(named_struct('n', 5.0D)) AS l,
               map('k', 3L) AS m
               UNION ALL
               SELECT named_struct('B', 3000000000L, 'a', 'y', 'c', 0), array(named_struct('n', 5.5D)), NULL"""
    columns = {"s": "struct<a: string, b: int, z: date>", "l": "array<struct<n: int>>", "m": "map<string,int>"}
    result = read({"1.parquet": parquet(query)}, "parquet", columns=columns)
    assert result.good == [{"s": {"a": "x", "b": 2, "z": None}, "l": [{"n": 5}], "m": {"k": 3}}]
    assert [len(reasons) for reasons, _ in result.rejected] == [2]


def test_a_type_that_can_never_fit_is_an_error_before_any_row_is_read(
    read: Callable[..., Any], parquet: Callable[..., bytes]
) -> None:
    with pytest.raises(ContractError, match=r"^bronze\.t: d is date in the contract and bigint in the source"):
        read({"1.parquet": parquet("SELECT 1L AS d")}, "parquet", columns={"d": "date"})


def test_what_is_not_parquet_is_named(read: Callable[..., Any]) -> None:
    with pytest.raises(SourceError, match=r"/1\.parquet is not a Parquet file that can be read: .*"):
        read({"1.parquet": b"this is not parquet at all"}, "parquet")


def test_metadata_columns_come_with_parquet_too(
    read: Callable[..., Any], parquet: Callable[..., bytes], tmp_path: Path
) -> None:
    result = read({"a b%.parquet": parquet("SELECT 1 AS `x.y`")}, "parquet", metadata=["_source_file", "_run_id"])
    assert result.good == [{"x.y": 1, "_source_file": f"{tmp_path}/landing/a b%.parquet", "_run_id": "run 1"}]


# Written by pyarrow: t timestamp[ns] 2026-01-31 07:30:00.123456789 and NULL, z timestamp[ns, UTC] -1 ns and +1 ns.
NANOSECONDS = (
    "UEFSMRUAFRwVHCwVBBUAFQYVBhwAAAACAAAAAwEVfQBqScCPGBUAFSwVLCwVBBUAFQYVBhwAAAACAAAABAH//////////wEAAAAA"
    "AAAAFQQZPDUAGAZzY2hlbWEVBAAVBCUCGAF0bIwSHDwAAAAAABUEJQIYAXpsjBEcPAAAAAAAFgQZHBksJgAcFQQZJQYAGRgBdBUA"
    "FgQWQhZCJghJHBUAFQAVAgA8KQYZJgICAAAAJgAcFQQZJQYAGRgBehUAFgQWUhZSJkpJHBUAFQAVAgA8KQYZJgAEAAAAFpQBFgQm"
    "CBaUAQAoIHBhcnF1ZXQtY3BwLWFycm93IHZlcnNpb24gMjUuMC4wGSwcAAAcAAAAwwAAAFBBUjE="
)


@pytest.mark.parametrize("columns", [None, {"t": "timestamp_ntz", "z": "timestamp"}], ids=["own types", "contract"])
def test_timestamps_of_nanoseconds_as_pandas_writes_them_are_read(read: Callable[..., Any], columns: Any) -> None:
    result = read({"1.parquet": base64.b64decode(NANOSECONDS)}, "parquet", columns=columns)
    assert [[str(value) for value in row.values()] for row in result.good] == [
        ["2026-01-31 07:30:00.123456", "1969-12-31 23:59:59.999999"],
        ["None", "1970-01-01 00:00:00"],
    ]
    assert result.df.dtypes[:2] == [("t", "timestamp_ntz"), ("z", "timestamp")]

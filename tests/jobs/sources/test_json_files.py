from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from airflow_lake_provider.jobs.errors import ContractError, SourceError
from airflow_lake_provider.jobs.sources.json_files import split_documents

pytestmark = pytest.mark.spark


def lines(*documents: Any) -> str:
    return "".join((d if isinstance(d, str) else json.dumps(d, ensure_ascii=False)) + "\n" for d in documents)


NOT_JSON = ["line does not parse as one JSON object"]


def test_fields_are_cast_by_the_contract_whatever_their_case(read: Callable[..., Any]) -> None:
    result = read(
        {
            "1.json": lines({"ID": 1, "name": "é🦆", "x": 1.5}, {"id": "2", "Name": None}),
            "2.json": lines({"id": 3.0, "more": [1]}),
        },
        "json",
        columns={"id": "bigint", "name": "string", "x": "double", "gone": "int"},
    )
    assert sorted(result.good, key=lambda row: row["id"]) == [
        {"id": 1, "name": "é🦆", "x": 1.5, "gone": None},
        {"id": 2, "name": None, "x": None, "gone": None},
        {"id": 3, "name": None, "x": None, "gone": None},
    ]
    assert (result.left_out, result.missing) == (("more",), ("gone",))


@pytest.mark.parametrize(
    "line",
    ['{"a": 1}{"a": 2}', '{"a": 1} x', '{"a": 1},{"a": 2}', "[1]", "5", "null", "{bad", '"text"', '{"a": 1', "[]"],
)
def test_a_line_that_is_not_one_object_is_rejected_whole(read: Callable[..., Any], line: str) -> None:
    for columns in ({"a": "int"}, None):
        result = read({"1.json": lines(line, {"a": 7})}, "json", columns=columns)
        assert result.good == [{"a": 7}]
        assert result.rejected == [(NOT_JSON, line)]


def test_blank_lines_and_empty_files_are_no_rows(read: Callable[..., Any]) -> None:
    result = read(
        {
            "1.json": "",
            "2.json": "\n  \n",
            "3.json": '\ufeff{"a": 1}\r\n\r\n',
            "4.json.gz": gzip.compress(b'{"a":2}\n'),
        },
        "json",
        columns={"a": "int not null"},
    )
    assert sorted(row["a"] for row in result.good) == [1, 2]
    assert (
        read({"1.json": "", "3.json": "", "4.json.gz": gzip.compress(b"")}, "json", columns={"a": "int not null"}).good
        == []
    )


def test_a_required_field_that_no_document_has_is_an_error(read: Callable[..., Any]) -> None:
    with pytest.raises(ContractError, match="the files do not have the column b"):
        read({"1.json": lines({"a": 1})}, "json", columns={"a": "int", "b": "int not null"})


def test_values_of_wrong_types_are_named(read: Callable[..., Any]) -> None:
    result = read(
        {
            "1.json": lines(
                {"a": "abc"}, {"a": 5.7}, {"a": [1]}, {"a": True}, {"a": 99999999999}, {"a": 12345678.0}, {"a": None}
            )
        },
        "json",
        columns={"a": "int"},
    )
    assert sorted(str(row["a"]) for row in result.good) == ["12345678", "None"]
    assert [reasons for reasons, _ in result.rejected] == [
        ["a: 'abc' is not an int"],
        ["a: '5.7' is not an int"],
        ["a: '[1]' is not an int"],
        ["a: 'true' is not an int"],
        ["a: '99999999999' is not an int"],
    ]
    assert result.rejected[1][1] == '{"a": 5.7}'


def test_decimals_keep_all_their_digits(read: Callable[..., Any]) -> None:
    content = '{"m": 1234567890123456.78, "n": {"d": 0.12345678901234567890}}\n{"m": "9.5"}\n{"m": 1e30}\n{"m": "x"}\n'
    result = read({"1.json": content}, "json", columns={"m": "decimal(18,2)", "n": "struct<d: decimal(21,20)>"})
    assert [row["m"] for row in result.good] == [Decimal("1234567890123456.78"), Decimal("9.50")]
    assert result.good[0]["n"] == {"d": Decimal("0.12345678901234567890")}
    assert [reasons for reasons, _ in result.rejected] == [
        ["m: '1.0E30' is not a decimal(18,2)"],
        ["m: 'x' is not a decimal(18,2)"],
    ]


def test_nested_values_are_read_by_the_declared_type(read: Callable[..., Any]) -> None:
    columns = {"s": "struct<a: int, t: array<string>>", "l": "array<int>", "m": "map<string,double>", "b": "binary"}
    good = {"s": {"t": ["x", "é"], "a": 1}, "l": [1, None], "m": {"k": 1.5}, "b": "aGk="}
    result = read(
        {
            "1.json": lines(
                good, {"s": {"a": "x"}}, {"l": [1, "x"]}, {"m": [1]}, {"b": "!!!"}, {"s": None, "l": [], "m": {}}
            )
        },
        "json",
        columns=columns,
    )
    assert result.good == [
        {"s": {"a": 1, "t": ["x", "é"]}, "l": [1, None], "m": {"k": 1.5}, "b": bytearray(b"hi")},
        {"s": None, "l": [], "m": {}, "b": None},
    ]
    assert [reasons for reasons, _ in result.rejected] == [
        ["""s: '{"a":"x"}' is not a struct<a: int, t: array<string>>"""],
        ["""l: '[1,"x"]' is not an array<int>"""],
        ["m: '[1]' is not a map<string,double>"],
        ["b: '!!!' is not a binary"],
    ]


def test_without_a_contract_types_are_inferred(read: Callable[..., Any]) -> None:
    result = read({"1.json": lines({"a": 1, "b.c": {"x": [1.5]}}, {"a": 2, "d e": "t"})}, "json")
    assert result.good == [
        {"a": 1, "b.c": {"x": [1.5]}, "d e": None},
        {"a": 2, "b.c": None, "d e": "t"},
    ]
    assert [kind for _, kind in result.df.dtypes[:3]] == ["bigint", "struct<x:array<double>>", "string"]


def test_fields_that_differ_by_case_need_a_contract(read: Callable[..., Any]) -> None:
    files = {"1.json": lines({"a": 1}, {"A": 2})}
    with pytest.raises(SourceError, match="differ only by case.*Declare the fields in `columns`"):
        read(files, "json")
    assert [row["a"] for row in read(files, "json", columns={"a": "int"}).good] == [1, 2]


MANY = {
    "an array": '[{"a": 1.50},\n {"a": 2}]',
    "an object": '{\n  "a": 1.5\n}\n',
    "objects one after the other": '{"a": 1}\n{\n"a": 2}',
    "an empty array": "[]",
    "nothing": " \n",
    "byte order mark": '\ufeff{"a": 1}',
}


@pytest.mark.parametrize("columns", [{"a": "double"}, None], ids=["contract", "inferred"])
def test_multi_line_files_hold_any_number_of_documents(read: Callable[..., Any], columns: Any) -> None:
    files = {f"{name}.json": content for name, content in MANY.items()}
    result = read(files, "json", columns=columns, options={"multiLine": "true"}, metadata=["_source_file"])
    assert sorted((row["_source_file"].rpartition("/")[2][:-5], row["a"]) for row in result.good) == [
        ("an array", 1.5),
        ("an array", 2.0),
        ("an object", 1.5),
        ("byte order mark", 1.0),
        ("objects one after the other", 1.0),
        ("objects one after the other", 2.0),
    ]
    assert result.rejected == []


@pytest.mark.parametrize(
    ("content", "documents"),
    [
        ('[{"a": 1}, {"b"', ['{"a": 1}', '{"b"']),
        ('[{"a": 1}', ['{"a": 1}', "["]),
        ('[{"a": 1} {"a": 2}]', ['{"a": 1}', '{"a": 2}]']),
        ('{"a": 1} trailing', ['{"a": 1}', "trailing"]),
        ("[" * 100_000, ["[" * 99_999]),
        ("[1, [2], null]", ["1", "[2]", "null"]),
        ("[],[1]", [",[1]"]),
        ('[{"a": 1},]', ['{"a": 1}', "]"]),
    ],
    ids=["cut off", "never closed", "no comma", "trailing", "deep", "no objects", "two arrays", "comma at the end"],
)
def test_what_follows_a_mistake_is_kept_as_text(content: str, documents: list[str]) -> None:
    assert list(split_documents(content.encode(), "UTF-8")) == documents


def test_a_broken_multi_line_file_gives_its_good_documents_and_the_rest(read: Callable[..., Any]) -> None:
    result = read({"1.json": '[{"a": 1}, {"a": 2]'}, "json", columns={"a": "int"}, options={"multiLine": "true"})
    assert result.good == [{"a": 1}]
    assert result.rejected == [(NOT_JSON, '{"a": 2]')]


def test_other_encodings_and_formats_are_honoured(read: Callable[..., Any]) -> None:
    result = read(
        {"1.json": '{"n": "é", "d": "31.01.2026"}\n'.encode("latin-1")},
        "json",
        columns={"n": "string", "d": "date"},
        options={"encoding": "ISO-8859-1", "dateFormat": "dd.MM.yyyy"},
    )
    assert [(row["n"], str(row["d"])) for row in result.good] == [("é", "2026-01-31")]
    result = read(
        {"1.json": '[{"n": "é"}]'.encode("utf-16")},
        "json",
        columns={"n": "string"},
        options={"multiLine": "true", "encoding": "UTF-16"},
    )
    assert [row["n"] for row in result.good] == ["é"]

from __future__ import annotations

import bz2
import gzip
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_lake_provider.jobs.errors import ContractError, SourceError

pytestmark = pytest.mark.spark

HEADER = {"header": "true"}


def test_columns_are_found_by_each_files_own_header(read: Callable[..., Any]) -> None:
    result = read(
        {"1.csv": "id,name,n\n1,a,10\n", "2.csv": "n,id,further\n20,2,x\n", "3.csv": "NAME,Id\nc,3\n"},
        "csv",
        columns={"id": "int", "name": "string", "n": "bigint"},
        options=HEADER,
    )
    assert sorted(result.good, key=lambda row: row["id"]) == [
        {"id": 1, "name": "a", "n": 10},
        {"id": 2, "name": None, "n": 20},
        {"id": 3, "name": "c", "n": None},
    ]
    assert (result.left_out, result.missing) == (("further",), ("name", "n"))


def test_a_file_without_a_column_that_must_be_there_is_named(read: Callable[..., Any]) -> None:
    files = {"1.csv": "id,n\n1,10\n", "2.csv": "id\n2\n"}
    with pytest.raises(ContractError, match=r"^bronze\.t: the file .*/2\.csv does not have the column n, which"):
        read(files, "csv", columns={"id": "int", "n": "int not null"}, options=HEADER)


def test_without_a_header_columns_are_the_contracts_in_order(read: Callable[..., Any]) -> None:
    result = read({"1.csv": "1,a\n2,b\n"}, "csv", columns={"id": "int", "name": "string"})
    assert result.good == [{"id": 1, "name": "a"}, {"id": 2, "name": "b"}]


def test_without_header_and_contract_columns_have_sparks_names(read: Callable[..., Any]) -> None:
    result = read({"1.csv": "1,a\n", "2.csv": "2,b,x\n"}, "csv")
    assert sorted(result.good, key=lambda row: row["_c0"]) == [
        {"_c0": "1", "_c1": "a", "_c2": None},
        {"_c0": "2", "_c1": "b", "_c2": "x"},
    ]


def test_without_a_contract_values_are_text_unless_types_are_inferred(read: Callable[..., Any]) -> None:
    files = {"1.csv": "id,x,d,s\n1,1,2026-01-01 00:00:00,a\n", "2.csv": "s,x,id\nb,2.5,9999999999\n"}
    assert read(files, "csv", options=HEADER).good[0]["id"] == "1"
    result = read(files, "csv", options={**HEADER, "inferSchema": "true"})
    assert [kind for _, kind in result.df.dtypes[:4]] == ["bigint", "double", "timestamp", "string"]
    assert sorted((row["id"], row["x"], row["s"]) for row in result.good) == [(1, 1.0, "a"), (9999999999, 2.5, "b")]


def test_lines_with_too_few_or_too_many_fields_keep_their_text(read: Callable[..., Any]) -> None:
    result = read(
        {"1.csv": 'a,b,c\n1,2\n1,2,3\n1,"x, y",3,4\n,,\n'},
        "csv",
        columns={"a": "int", "b": "string", "c": "int"},
        options=HEADER,
    )
    assert result.good == [{"a": 1, "b": "2", "c": 3}, {"a": None, "b": None, "c": None}]
    assert result.rejected == [
        (["line does not parse as CSV: 2 fields, expected 3"], "1,2"),
        (["line does not parse as CSV: 4 fields, expected 3"], '1,"x, y",3,4'),
    ]


def test_a_quoted_field_cut_off_by_its_line_is_no_value(read: Callable[..., Any]) -> None:
    # Spark's reader takes the first line for a good row with the value 'hello'.
    result = read({"1.csv": 'a,b\n1,"hello\nworld"\n2,fine\n'}, "csv", options=HEADER)
    assert result.good == [{"a": "2", "b": "fine"}]
    assert [text for _, text in result.rejected] == ['1,"hello', 'world"']
    assert "multiLine: true" in result.rejected[0][0][0]


def test_line_breaks_within_quotes_are_read_with_multi_line(read: Callable[..., Any]) -> None:
    result = read(
        {"1.csv": '"a\nb",c\n1,"hello\nworld"\n2,"x ""y"""\n3\n', "2.csv": "c,x\r\n4,5\r\n"},
        "csv",
        options={**HEADER, "multiLine": "true"},
    )
    assert sorted(result.good, key=str) == [
        {"a\nb": "1", "c": "hello\nworld", "x": None},
        {"a\nb": "2", "c": 'x "y"', "x": None},
        {"a\nb": None, "c": "4", "x": "5"},
    ]
    assert result.rejected == [(["line does not parse as CSV: 1 fields, expected 2"], "3")]


def test_rejected_rows_alone_can_be_counted_in_multi_line_files(read: Callable[..., Any]) -> None:
    from pyspark.sql import functions as F

    result = read({"1.csv": "a,b\n1\n1,2\n"}, "csv", options={**HEADER, "multiLine": "true"})
    assert result.df.where(F.size("_lake_reasons") > 0).select("_lake_raw").count() == 1


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('"say ""hi""",1\n', 'say "hi"'),
        ('"a,b",1\n', "a,b"),
        ('"",1\n', None),
        (",1\n", None),
        ('5" pipe,1\n', '5" pipe'),
        (" padded ,1\n", " padded "),
        ('"""x",1\n', '"x'),
        ("NA,1\n", "NA"),
        ("ünïcôdé 🦆,1\n", "ünïcôdé 🦆"),
        ("back\\slash,1\n", "back\\slash"),
        ("it's,1\n", "it's"),
    ],
    ids=[
        "doubled quote",
        "separator",
        "empty quoted",
        "empty",
        "inch",
        "spaces",
        "leading quote",
        "NA",
        "unicode",
        "backslash",
        "apostrophe",
    ],
)
def test_values_come_as_they_were_written(read: Callable[..., Any], content: str, expected: Any) -> None:
    result = read({"1.csv": "a,b\n" + content}, "csv", options=HEADER)
    assert (result.good, result.rejected) == ([{"a": expected, "b": "1"}], [])


@pytest.mark.parametrize(
    ("options", "content"),
    [
        ({"sep": ";"}, "a;b\n1;x,y\n"),
        ({"delimiter": "\\t"}, "a\tb\n1\tx,y\n"),
        ({"SEP": "||"}, "a||b\n1||x,y\n"),
        ({"quote": "'"}, "a,b\n1,'x,y'\n"),
        ({"escape": "\\", "sep": ";"}, 'a;b\n1;"x\\",y"\n'),
        ({"comment": "#", "sep": ";"}, "# made by hand\n\na;b\n# more\n1;x,y\n"),
        ({"nullValue": "NA", "sep": ";"}, "a;b\n1;NA\n"),
        ({"encoding": "ISO-8859-1", "sep": ";"}, "a;b\n1;é\n".encode("latin-1")),
        ({"encoding": "windows-1252", "sep": ";"}, "ä;b\n1;€\n".encode("cp1252")),
        ({"encoding": "UTF-16", "sep": ";"}, "ä;b\n1;€\n".encode("utf-16")),
        ({"lineSep": "|"}, "a,b|1,x|"),
        ({"ignoreLeadingWhiteSpace": "true", "ignoreTrailingWhiteSpace": "true"}, "a, b\n1, x \n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else None,
)
def test_reader_options_reach_the_parser(read: Callable[..., Any], options: Any, content: Any) -> None:
    expected = {"sep": "x,y", "nullValue": None, "lineSep": "x", "ignoreLeadingWhiteSpace": "x", "escape": 'x",y'}
    value = next((expected[name] for name in options if name in expected and name != "sep"), "x,y")
    if "encoding" in options:
        value = "é" if options["encoding"].startswith("ISO") else "€"
    result = read({"1.csv": content}, "csv", options={**HEADER, **options})
    assert result.rejected == []
    assert [list(row.values()) for row in result.good] == [["1", value]]
    assert list(result.good[0])[1] == "b"


def test_lines_of_another_encoding_are_rejected_not_mangled(read: Callable[..., Any]) -> None:
    result = read({"1.csv": b"a,b\n1,caf\xe9\n2,ok\n"}, "csv", options=HEADER)
    assert result.good == [{"a": "2", "b": "ok"}]
    assert result.rejected == [(["line is not UTF-8 (options: {encoding: ...} names another encoding)"], "1,caf�")]


def test_a_header_of_another_encoding_is_an_error(read: Callable[..., Any]) -> None:
    with pytest.raises(SourceError, match=r"1\.csv: its first line is not UTF-8"):
        read({"1.csv": b"caf\xe9,b\n1,2\n"}, "csv", options=HEADER)


@pytest.mark.parametrize(
    ("line_end", "multi_line"),
    # Spark's multi-line parser has no line end of a carriage return alone.
    [("\n", "false"), ("\r\n", "false"), ("\r", "false"), ("\n", "true"), ("\r\n", "true")],
    ids=["LF", "CRLF", "CR", "multi-line LF", "multi-line CRLF"],
)
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "BOM"])
def test_line_ends_and_byte_order_marks_are_no_content(
    read: Callable[..., Any], line_end: str, mark: str, multi_line: str
) -> None:
    content = mark + line_end.join(["id,b", "1,x", "2,y", ""])
    result = read(
        {"1.csv": content}, "csv", columns={"id": "int", "b": "string"}, options={**HEADER, "multiLine": multi_line}
    )
    assert result.rejected == []
    assert sorted(row["id"] for row in result.good) == [1, 2]
    assert [row["b"] for row in result.good] == ["x", "y"]


def test_files_without_rows_have_no_rows_and_no_errors(read: Callable[..., Any]) -> None:
    empty = {"1.csv": "", "2.csv": "\n\n", "3.csv": "\ufeff", "4.csv": "id,b\n", "5.csv.gz": gzip.compress(b"")}
    result = read(empty, "csv", columns={"id": "int not null", "b": "string"}, options=HEADER)
    assert (result.good, result.rejected, result.missing) == ([], [], ())
    result = read(
        {**empty, "6.csv": "b,id\nx,1\n"}, "csv", columns={"id": "int not null", "b": "string"}, options=HEADER
    )
    assert result.good == [{"id": 1, "b": "x"}]


def test_nothing_but_empty_files_is_an_empty_batch(read: Callable[..., Any]) -> None:
    result = read({"1.csv": ""}, "csv", columns={"id": "int not null"}, options=HEADER)
    assert (result.good, result.df.columns) == ([], ["id", "_lake_file", "_lake_reasons", "_lake_raw"])
    assert read({"1.csv": ""}, "csv", options=HEADER).df.columns == ["_lake_file", "_lake_reasons", "_lake_raw"]


def test_compressed_files_are_read(read: Callable[..., Any]) -> None:
    result = read(
        {"1.csv.gz": gzip.compress(b"id,b\n1,x\n"), "2.csv.bz2": bz2.compress(b"b,id\ny,2\n")}, "csv", options=HEADER
    )
    assert sorted(row["id"] + row["b"] for row in result.good) == ["1x", "2y"]


def test_headers_are_trimmed_and_named_where_they_have_no_name(read: Callable[..., Any]) -> None:
    result = read({"1.csv": ', a b ,"q ""x""",é.f\n0,1,2,3\n'}, "csv", options=HEADER)
    assert result.good == [{"_c0": "0", "a b": "1", 'q "x"': "2", "é.f": "3"}]


def test_a_column_twice_in_a_header_is_an_error(read: Callable[..., Any]) -> None:
    with pytest.raises(SourceError, match=r"1\.csv: column 3 has the same name as column 1, 'ID'"):
        read({"1.csv": "id,b,ID\n1,2,3\n"}, "csv", options=HEADER)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "DROPMALFORMED"}, "mode DROPMALFORMED: it loses rows"),
        ({"mode": "failfast"}, "mode FAILFAST: .*quarantine: false"),
        ({"pathGlobFilter": "*.csv"}, "pathGlobFilter is not for an ingest"),
        ({"encoding": "nonsense"}, "encoding 'nonsense' is not known"),
        ({"dateFormat": "YYYY-QQQQQQ"}, "dateFormat 'YYYY-QQQQQQ' is not a pattern"),
    ],
    ids=lambda value: next(iter(value.values())) if isinstance(value, dict) else None,
)
def test_options_that_would_lose_rows_are_refused(read: Callable[..., Any], options: Any, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        read({"1.csv": "a\n1\n"}, "csv", columns={"a": "int"}, options={**HEADER, **options})


def test_formats_of_dates_and_times_are_honoured(read: Callable[..., Any]) -> None:
    result = read(
        {"1.csv": "d,t,n\n31/01/2026,31.01.26 07:30,31.01.26 07:30\n2026-01-31,,\n"},
        "csv",
        columns={"d": "date", "t": "timestamp", "n": "timestamp_ntz"},
        options={**HEADER, "dateFormat": "dd/MM/yyyy", "timestampFormat": "dd.MM.yy HH:mm"},
    )
    assert [str(value) for value in result.good[0].values()] == [
        "2026-01-31",
        "2026-01-31 07:30:00",
        "2026-01-31 07:30:00",
    ]
    assert result.rejected == [(["d: '2026-01-31' is not a date"], '{"d":"2026-01-31","t":null,"n":null}')]


def test_times_without_a_zone_are_in_the_zone_of_the_options(read: Callable[..., Any]) -> None:
    result = read(
        {"1.csv": "t\n2026-01-31T07:30:00\n2026-01-31T07:30:00Z\n"},
        "csv",
        columns={"t": "timestamp"},
        options={**HEADER, "timeZone": "America/New_York"},
    )
    assert [str(row["t"]) for row in result.good] == ["2026-01-31 12:30:00", "2026-01-31 07:30:00"]


NASTY = ["a b.csv", "p%20x.csv", "plus+.csv", "ü é.csv", "h#x.csv", "q?.csv", "c,d.csv", "k=1/e=1.csv", "br[1].csv"]
NASTY += ["cu{a,b}.csv", "st*ar.csv", "T10:00:00/x.csv", "back\\s.csv", "quo'te.csv", "p%.csv", "semi;.csv"]


def test_the_source_file_is_the_path_of_the_ledger_whatever_its_name(read: Callable[..., Any], tmp_path: Any) -> None:
    result = read(
        {name: f"a\n{name.replace(',', '')}\n" for name in NASTY}, "csv", options=HEADER, metadata=["_source_file"]
    )
    assert sorted(row["_source_file"] for row in result.good) == sorted(f"{tmp_path}/landing/{name}" for name in NASTY)
    assert all(row["_source_file"].replace(",", "").endswith(row["a"]) for row in result.good)


def test_a_colon_in_a_files_name_is_a_clear_error(read: Callable[..., Any]) -> None:
    with pytest.raises(SourceError, match="reads no file with ':' in its name"):
        read({"t:10.csv": "a\n1\n"}, "csv", options=HEADER)


def test_metadata_columns_come_as_asked(read: Callable[..., Any]) -> None:
    result = read({"1.csv": "a,_run_id\n1,theirs\n"}, "csv", options=HEADER, metadata=["_run_id", "_ingested_at"])
    assert [str(value) for value in result.good[0].values()] == ["1", "2026-01-02 03:04:05.678901", "run 1"]
    assert result.left_out == ("_run_id",)


def test_a_million_rows_are_judged_in_one_pass_within_a_minute(read: Callable[..., Any]) -> None:
    rows = (f'{n},n {n},{n / 7},2026-01-01 00:00:00,"a ""b"", {n}",,x,y,{n % 3 == 0}\n' for n in range(1_000_000))
    columns = {"id": "int not null", "name": "string", "x": "double", "t": "timestamp", "q": "string", "n": "int"}
    started = time.perf_counter()
    result = read(
        {"1.csv": "id,name,x,t,q,n,a,b,even\n" + "".join(rows)},
        "csv",
        columns={**columns, "even": "boolean"},
        options=HEADER,
        collect=False,
    )
    counts = result.df.selectExpr("count(*) n", "sum(id) s", "count_if(size(_lake_reasons) > 0) bad", "max(q) q")
    row = counts.collect()[0]
    assert (row.n, row.s, row.bad, row.q) == (1_000_000, 499_999_500_000, 0, 'a "b", 999999')
    assert time.perf_counter() - started < 60

"""What holds for every format whose files know their schema; Parquet's own matters are in ``test_parquet_files``."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.jobs.errors import ContractError, SourceError

pytestmark = pytest.mark.spark

ROOT = Path(__file__).resolve().parents[3]
FORMATS = ("parquet", "orc", "avro")


@pytest.fixture
def written(spark: Any, tmp_path: Path) -> Callable[..., bytes]:
    """Return what writes the rows of a query into one file of a format and gives its bytes."""

    def _written(query: str, format: str, **options: str) -> bytes:
        folder = tmp_path / "made"
        spark.sql(query).coalesce(1).write.format(format).options(**options).mode("overwrite").save(f"file://{folder}")
        return next(path for path in folder.iterdir() if path.name.startswith("part-")).read_bytes()

    return _written


@pytest.fixture
def avro(spark: Any, tmp_path: Path) -> Callable[..., bytes]:
    """Return what writes one Avro file of a schema; rows are JSON as Avro's own tools take it."""

    def _avro(schema: Any, *rows: Any) -> bytes:
        jvm, path = spark._jvm, str(tmp_path / "made.avro")
        parsed = jvm.org.apache.avro.Schema.Parser().parse(json.dumps(schema))
        writer = jvm.org.apache.avro.file.DataFileWriter(jvm.org.apache.avro.generic.GenericDatumWriter(parsed))
        writer.create(parsed, jvm.java.io.File(path))
        reader = jvm.org.apache.avro.generic.GenericDatumReader(parsed)
        for row in rows:
            decoder = jvm.org.apache.avro.io.DecoderFactory.get().jsonDecoder(parsed, json.dumps(row))
            writer.append(reader.read(None, decoder))
        writer.close()
        return Path(path).read_bytes()

    return _avro


def record(*fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "r", "fields": [{"name": name, "type": kind} for name, kind in fields]}


@pytest.mark.parametrize("format", FORMATS)
def test_files_of_different_schemas_meet_by_name(
    read: Callable[..., Any], written: Callable[..., bytes], format: str
) -> None:
    files = {
        "1": written("SELECT 1 AS id, 'a' AS name", format),
        "2": written("SELECT 'b' AS NAME, 2L AS id, true AS more", format),
        "3": b"",
        "4": written("SELECT 4 AS id, 'd' AS name WHERE false", format),
    }
    result = read(files, format, columns={"id": "int", "name": "string", "later": "date"})
    assert sorted(result.good, key=lambda row: row["id"]) == [
        {"id": 1, "name": "a", "later": None},
        {"id": 2, "name": "b", "later": None},
    ]
    assert (result.left_out, result.missing) == (("more",), ("later",))
    assert sorted(map(str, read(files, format).good)) == sorted(
        map(str, [{"id": 1, "name": "a", "more": None}, {"id": 2, "name": "b", "more": True}])
    )
    with pytest.raises(ContractError, match=r"the file .*/1 does not have the column more"):
        read(files, format, columns={"id": "int", "more": "boolean not null"})


@pytest.mark.parametrize("format", FORMATS)
def test_values_are_held_against_the_contract(
    read: Callable[..., Any], written: Callable[..., bytes], format: str
) -> None:
    query = "SELECT * FROM VALUES (1.0D, 'a', 3000000000L), (2.5D, NULL, 1L), (7.0D, 'ok', 2L) AS t (x, s, n)"
    result = read({"1": written(query, format)}, format, columns={"x": "int", "s": "string not null", "n": "int"})
    assert result.good == [{"x": 7, "s": "ok", "n": 2}]
    assert result.rejected == [
        (["n: '3000000000' is not an int"], '{"x":1.0,"s":"a","n":3000000000}'),
        (["x: '2.5' is not an int", "s is NULL"], '{"x":2.5,"s":null,"n":1}'),
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_nested_values_meet_by_name_within_a_file_and_across_files(
    read: Callable[..., Any], written: Callable[..., bytes], format: str
) -> None:
    files = {
        "1": written(
            "SELECT named_struct('B', 2, 'a', 'x') AS s, array(named_struct('n', 5)) AS l, map('k', 3) AS m", format
        ),
        "2": written(
            "SELECT named_struct('a', 'y', 'c', true, 'b', 4L) AS s, array(named_struct('z', 1, 'n', 6L)) AS l, "
            "map('k', 4L) AS m",
            format,
        ),
    }
    columns = {"s": "struct<a: string, b: int>", "l": "array<struct<n: int>>", "m": "map<string,int>"}
    assert sorted(map(str, read(files, format, columns=columns).good)) == [
        "{'s': {'a': 'x', 'b': 2}, 'l': [{'n': 5}], 'm': {'k': 3}}",
        "{'s': {'a': 'y', 'b': 4}, 'l': [{'n': 6}], 'm': {'k': 4}}",
    ]
    assert sorted(str(row["s"]) for row in read(files, format).good) == [
        "{'B': 2, 'a': 'x', 'c': None}",
        "{'B': 4, 'a': 'y', 'c': True}",
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_types_that_no_type_holds_are_an_error_that_names_both_files(
    read: Callable[..., Any], written: Callable[..., bytes], format: str
) -> None:
    files = {"1": written("SELECT 1 AS id", format), "2": written("SELECT 'x' AS id", format)}
    with pytest.raises(SourceError, match=r"^Column id is int in .*/1 and string in .*/2; no type"):
        read(files, format)
    files["2"] = written("SELECT array(1) AS id", format)
    with pytest.raises(SourceError, match=r"^Column id is int in .*/1 and array<int> in .*/2; no type"):
        read(files, format)


@pytest.mark.parametrize(("format", "noun"), [("parquet", "a Parquet"), ("orc", "an ORC"), ("avro", "an Avro")])
def test_what_is_not_of_the_format_is_named(read: Callable[..., Any], format: str, noun: str) -> None:
    with pytest.raises(SourceError, match=rf"/1 is not {noun} file that can be read: .+"):
        read({"1": b"this is nothing of the kind"}, format)


@pytest.mark.parametrize("format", ["orc", "parquet"])
def test_columns_that_differ_only_by_case_are_an_error(
    spark: Any, read: Callable[..., Any], written: Callable[..., bytes], format: str
) -> None:
    spark.conf.set("spark.sql.caseSensitive", "true")
    try:
        content = written("SELECT 1 AS id, 2 AS ID", format)
    finally:
        spark.conf.unset("spark.sql.caseSensitive")
    with pytest.raises(SourceError, match=r"column 2 has the same name as column 1, 'ID' \(case does not count\)"):
        read({"1": content}, format)


def test_fields_of_avro_that_differ_only_by_case_are_an_error(
    read: Callable[..., Any], avro: Callable[..., bytes]
) -> None:
    with pytest.raises(SourceError, match=r"column 2 has the same name as column 1, 'ID'"):
        read({"1": avro(record(("id", "int"), ("ID", "int")), {"id": 1, "ID": 2})}, "avro")


@pytest.mark.parametrize("format", FORMATS)
def test_times_are_the_same_in_every_format(
    read: Callable[..., Any], written: Callable[..., bytes], format: str
) -> None:
    content = written(
        "SELECT timestamp '2026-07-31 07:30:00.125123' AS t, timestamp_ntz '2026-07-31 07:30:00.125' AS n, "
        "date '1901-01-01' AS d, timestamp '1901-01-01 00:00:00' AS old",
        format,
    )
    result = read({"1": content}, format)
    assert result.df.dtypes[:2] == [("t", "timestamp"), ("n", "timestamp_ntz")]
    assert [str(value) for value in result.good[0].values()] == [
        "2026-07-31 07:30:00.125123",
        "2026-07-31 07:30:00.125000",
        "1901-01-01",
        "1901-01-01 00:00:00",
    ]
    swapped = read({"1": content}, format, columns={"t": "timestamp_ntz", "n": "timestamp"})
    assert [str(value) for value in swapped.good[0].values()] == [
        "2026-07-31 07:30:00.125123",
        "2026-07-31 07:30:00.125000",
    ]


def test_a_number_in_orc_is_not_taken_for_a_time_that_another_file_keeps_as_one(
    read: Callable[..., Any], written: Callable[..., bytes]
) -> None:
    files = {
        "1": written("SELECT timestamp_ntz '2026-01-01 00:00:00' AS x", "orc"),
        "2": written("SELECT 1767225600000000L AS x", "orc"),
    }
    with pytest.raises(SourceError, match=r"^Column x is timestamp_ntz in .*/1 and bigint in .*/2"):
        read(files, "orc")


def test_orc_columns_without_names_are_an_error_under_a_contract_with_names(
    read: Callable[..., Any], written: Callable[..., bytes]
) -> None:
    files = {"1": written("SELECT 1 AS _col0, 'a' AS _col1", "orc")}
    with pytest.raises(SourceError, match=r"/1: its columns have no names of their own, only _col0, _col1, \.\.\. "):
        read(files, "orc", columns={"id": "int", "name": "string"})
    assert read(files, "orc", columns={"_col0": "int", "_col1": "string"}).good == [{"_col0": 1, "_col1": "a"}]
    assert read(files, "orc").good == [{"_col0": 1, "_col1": "a"}]


def test_hives_orc_file_without_a_row_says_nothing_about_columns(
    spark: Any, read: Callable[..., Any], written: Callable[..., bytes], tmp_path: Path
) -> None:
    jvm = spark._jvm
    configuration = spark._jsparkSession.sessionState().newHadoopConf()
    schema = jvm.org.apache.orc.TypeDescription.fromString("struct<>")
    options = jvm.org.apache.orc.OrcFile.writerOptions(configuration).setSchema(schema)
    jvm.org.apache.orc.OrcFile.createWriter(jvm.org.apache.hadoop.fs.Path(f"file://{tmp_path}/no.orc"), options).close()
    files = {"0": (tmp_path / "no.orc").read_bytes(), "1": written("SELECT 1 AS id", "orc")}
    result = read(files, "orc", columns={"id": "int not null"})
    assert (result.good, result.missing) == ([{"id": 1}], ())


# Written by pyarrow: t timestamp[us] 2026-01-31 07:30:00.123456, the first also z timestamp[us, UTC] of the same time.
ORC_OF_PYARROW = (
    "T1JDCgYSBAgBUAAKJAoEAAAAABIcCAFKFhj2tKuvgmcg9rSrr4JnKMHqGzDB6htQAAokCgQAAAAAEhwIAUoWGPa0q6+CZyD2tKuvgmcoweobMMHq"
    "G1AAdgApskLwbgAPEgJ2ACmyQvBuAA8SAgoGCAYQABgICgYIBhABGCYKBggGEAIYJgoGCAEQARgGCgYIBRABGAUKBggBEAIYBgoGCAUQAhgFEgQI"
    "ABAAEgQIAhAAEgQIAhAAGgNHTVQKQgoECAFQAAocCAFKFhj2tKuvgmcg9rSrr4JnKMHqGzDB6htQAAocCAFKFhj2tKuvgmcg9rSrr4JnKMHqGzDB"
    "6htQAAgDELkBGgoIAxBUGBYgTygBIhIIDBICAQIaAXQaAXogACgAMAAiCAgJIAAoADAAIggIEiAAKAAwADABOgQIAVAAOhwIAUoWGPa0q6+CZyD2"
    "tKuvgmcoweobMMHqG1AAOhwIAUoWGPa0q6+CZyD2tKuvgmcoweobMMHqG1AAQJBOSAFiBTIuMi4yCIkBEAAYgIAEIgIADChEMAaC9AMDT1JDGA=="
)
ORC_OF_PYARROW_WITHOUT_ZONE = (
    "T1JDCgYSBAgBUAAKJAoEAAAAABIcCAFKFhj2tKuvgmcg9rSrr4JnKMHqGzDB6htQAHYAKbJC8G4ADxICCgYIBhAAGAgKBggGEAEYJgoGCAEQARgG"
    "CgYIBRABGAUSBAgAEAASBAgCEAAaA0dNVAokCgQIAVAAChwIAUoWGPa0q6+CZyD2tKuvgmcoweobMMHqG1AACAMQahoKCAMQLhgLIDEoASIOCAwS"
    "AQEaAXQgACgAMAAiCAgJIAAoADAAMAE6BAgBUAA6HAgBShYY9rSrr4JnIPa0q6+CZyjB6hswweobUABAkE5IAWIFMi4yLjIIXBAAGICABCICAAwo"
    "JjAGgvQDA09SQxc="
)


def test_orc_of_other_writers_has_the_time_that_they_wrote(read: Callable[..., Any]) -> None:
    result = read({"1": base64.b64decode(ORC_OF_PYARROW_WITHOUT_ZONE)}, "orc")
    assert [str(row["t"]) for row in result.good] == ["2026-01-31 07:30:00.123456"]


def test_the_orc_time_that_spark_does_not_read_is_named(read: Callable[..., Any]) -> None:
    with pytest.raises(SourceError, match=r"/1: it has columns of ORC's type 'timestamp with local time zone', which"):
        read({"1": base64.b64decode(ORC_OF_PYARROW)}, "orc")


def test_avros_own_types_become_sparks(read: Callable[..., Any], avro: Callable[..., bytes]) -> None:
    day, micros = 20484, 1769844600125123
    schema = record(
        ("d", {"type": "int", "logicalType": "date"}),
        ("ms", {"type": "long", "logicalType": "timestamp-millis"}),
        ("us", {"type": "long", "logicalType": "timestamp-micros"}),
        ("local", {"type": "long", "logicalType": "local-timestamp-micros"}),
        ("price", {"type": "bytes", "logicalType": "decimal", "precision": 8, "scale": 2}),
        ("id", {"type": "string", "logicalType": "uuid"}),
        ("suit", {"type": "enum", "name": "suit", "symbols": ["HEARTS", "SPADES"]}),
        ("maybe", ["null", "string"]),
        ("number", ["int", "long"]),
        ("either", ["null", "int", "string"]),
        ("tags", {"type": "map", "values": "long"}),
    )
    row = {
        "d": day, "ms": micros // 1000, "us": micros, "local": micros, "price": "\u0004\u00d2", "id": "e7",
        "suit": "SPADES", "maybe": {"string": "x"}, "number": {"long": 3000000000}, "either": {"string": "y"},
        "tags": {"k": 1},
    }  # fmt: skip
    result = read({"1": avro(schema, row)}, "avro")
    assert dict(result.df.dtypes[:11]) == {
        "d": "date", "ms": "timestamp", "us": "timestamp", "local": "timestamp_ntz", "price": "decimal(8,2)",
        "id": "string", "suit": "string", "maybe": "string", "number": "bigint",
        "either": "struct<member0:int,member1:string>", "tags": "map<string,bigint>",
    }  # fmt: skip
    (good,) = result.good
    assert (str(good["d"]), str(good["us"])) == ("2026-01-31", "2026-01-31 07:30:00.125123")
    assert (str(good["ms"]), str(good["local"])) == ("2026-01-31 07:30:00.125000", "2026-01-31 07:30:00.125123")
    assert (good["price"], good["suit"], good["number"]) == (Decimal("12.34"), "SPADES", 3000000000)
    assert good["either"] == {"member0": None, "member1": "y"}


def test_avro_schemas_evolve(read: Callable[..., Any], avro: Callable[..., bytes]) -> None:
    files = {
        "1": avro(record(("id", "int"), ("name", "string")), {"id": 1, "name": "a"}),
        "2": avro(
            record(("id", "long"), ("name", ["null", "string"]), ("new", "boolean")),
            {"id": 2, "name": None, "new": True},
        ),
        "3": avro(record(("id", "int")), {"id": 3}),
    }
    result = read(files, "avro", columns={"id": "bigint not null", "name": "string", "new": "boolean"})
    assert sorted(result.good, key=lambda row: row["id"]) == [
        {"id": 1, "name": "a", "new": None},
        {"id": 2, "name": None, "new": True},
        {"id": 3, "name": None, "new": None},
    ]
    assert sorted(result.missing) == ["name", "new"]


def test_a_readers_avro_schema_gives_defaults_and_aliases(read: Callable[..., Any], avro: Callable[..., bytes]) -> None:
    schema = record(("id", "int"), ("size", "string"), ("full_name", "string"))
    schema["fields"][1]["default"] = "medium"
    schema["fields"][2]["aliases"] = ["name"]
    content = avro(record(("id", "int"), ("name", "string")), {"id": 1, "name": "a"})
    result = read({"1": content}, "avro", options={"avroSchema": json.dumps(schema)})
    assert result.good == [{"id": 1, "size": "medium", "full_name": "a"}]


@pytest.mark.parametrize(
    ("schema", "row", "reason"),
    [
        ("int", 7, "its rows are no records"),
        (
            {
                "type": "record",
                "name": "n",
                "fields": [{"name": "v", "type": "int"}, {"name": "next", "type": ["null", "n"]}],
            },
            {"v": 1, "next": None},
            r"Spark does not read the schema of this file: .*recursive",
        ),
    ],
    ids=["no record", "recursive"],
)
def test_an_avro_schema_that_is_no_table_is_named(
    read: Callable[..., Any], avro: Callable[..., bytes], schema: Any, row: Any, reason: str
) -> None:
    with pytest.raises(SourceError, match=rf"/1: {reason}"):
        read({"1": avro(schema, row)}, "avro")


WITHOUT_THE_JAR = """
import sys
from pyspark.sql import SparkSession
from airflow_lake_provider.jobs.errors import SourceError
from airflow_lake_provider.jobs.sources.columnar_files import read_avro
from airflow_lake_provider.jobs.sources.files import list_files
from airflow_lake_provider.jobs.sources.options import Options
spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
try:
    read_avro(spark, Options({}), list_files(spark, [sys.argv[1]]), None)
except SourceError as exc:
    print("told:", exc)
"""


def test_a_spark_without_the_jar_for_avro_is_told_with_the_remedy(avro: Callable[..., bytes], tmp_path: Path) -> None:
    import pyspark

    (tmp_path / "a.avro").write_bytes(avro(record(("id", "int")), {"id": 1}))
    home, bare = Path(pyspark.__file__).parent, tmp_path / "spark"
    (bare / "jars").mkdir(parents=True)
    for there in [path for path in home.iterdir() if path.name != "jars"]:
        (bare / there.name).symlink_to(there)
    for jar in [path for path in (home / "jars").iterdir() if "spark-avro" not in path.name]:
        (bare / "jars" / jar.name).symlink_to(jar)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_JAR, str(tmp_path / "a.avro")],
        env={**os.environ, "SPARK_HOME": str(bare), "PYTHONPATH": str(ROOT), "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    told = done.stdout.partition("told: ")[2]
    assert told.startswith(f"This Spark ({pyspark.__version__}) has no reader for avro: it needs the jar "), done.stderr
    assert "`lake spark install`" in told
    assert "spark.jars.packages" in told

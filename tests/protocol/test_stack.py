from __future__ import annotations

from pathlib import Path

import pytest

from airflow_lake_provider.protocol.stack import condense

STACKS = Path(__file__).parent / "stacks"


# Traces of Spark 3.5.9 with Iceberg 1.10.2, as they came.
@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "unknown-column",
            "AnalysisException: [UNRESOLVED_COLUMN.WITH_SUGGESTION] A column or function parameter with name `nope` "
            "cannot be resolved. Did you mean one of the following? [`id`]. (at flights.py:8)",
        ),
        (
            "syntax",
            "ParseException: [PARSE_SYNTAX_ERROR] Syntax error at or near 'selec'.(line 1, pos 0) (at flights.py:9)",
        ),
        (
            "missing-file",
            "AnalysisException: [PATH_NOT_FOUND] Path does not exist: file:/data/nothing. (at flights.py:10)",
        ),
        ("python-udf", "ZeroDivisionError: integer division or modulo by zero (at flights.py:12 in bad)"),
        (
            "vanished-file",
            "SparkFileNotFoundException: File "
            "file:/data/pq/part-00000-652cea62-b675-4b71-8680-6f139cfc8aeb-c000.snappy.parquet does not exist It is "
            "possible the underlying files have been updated. You can explicitly invalidate the cache in Spark by "
            "running 'REFRESH TABLE tableName' command in SQL or by recreating the Dataset/DataFrame involved. "
            "(at flights.py:18)",
        ),
        (
            "ansi-cast",
            "NumberFormatException: [CAST_INVALID_INPUT] The value 'x' of the type \"STRING\" cannot be cast to "
            "\"INT\" because it is malformed. Correct the value as per the syntax, or change its target type. Use "
            "`try_cast` to tolerate malformed input and return NULL instead. If necessary set "
            "\"spark.sql.ansi.enabled\" to \"false\" to bypass this error. (at flights.py:19)",
        ),
        ("iceberg-validation", "IllegalArgumentException: Ref does not exist: nope (at flights.py:22)"),
        (
            "iceberg-duplicate-merge",
            "SparkRuntimeException: [MERGE_CARDINALITY_VIOLATION] The ON search condition of the MERGE statement "
            "matched a single row from the target table with multiple rows of the source table. This could result in "
            "the target row being operated on more than once with an update or delete operation and is not allowed. "
            "(at flights.py:23)",
        ),
        ("raise-error", "RuntimeException: too bad (at flights.py:24)"),
    ],
)  # fmt: skip
def test_trace_becomes_cause_and_place(name: str, text: str) -> None:
    assert condense((STACKS / f"{name}.txt").read_text(encoding="utf-8")) == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "", id="nothing"),
        pytest.param("Killed\n", "Killed", id="no trace at all"),
        pytest.param(
            "26/01/01 00:00:00 ERROR x\njava.lang.OutOfMemoryError: Java heap space\n"
            "\tat java.base/java.util.Arrays.copyOf(Arrays.java:3537)\n",
            "OutOfMemoryError: Java heap space",
            id="an error of the JVM itself",
        ),
        pytest.param(
            "java.lang.RuntimeException: outer\n\tat com.acme.Udf.call(Udf.java:7)\n"
            "Caused by: java.lang.IllegalStateException: inner\n\tat com.acme.Rule.check(Rule.java:40)\n"
            "\tat com.acme.Udf.call(Udf.java:5)\n\t... 1 more\n",
            "IllegalStateException: inner (at Rule.java:40)",
            id="the user's own Java is the place",
        ),
        pytest.param(
            "Traceback (most recent call last):\n"
            '  File "/srv/a.py", line 1, in load\n    open(path)\n'
            "FileNotFoundError: no a.csv\n\n"
            "During handling of the above exception, another exception occurred:\n\n"
            "Traceback (most recent call last):\n"
            '  File "/srv/b.py", line 9, in main\n    load()\n'
            "airflow_lake_provider.jobs.errors.SourceError: the day has no file",
            "SourceError: the day has no file (at b.py:9 in main)",
            id="the last of two Python errors is the one that was raised",
        ),
        pytest.param(
            'Traceback (most recent call last):\n  File "/srv/rates.py", line 3, in build\n    rows.collect()\n'
            "py4j.protocol.Py4JJavaError: An error occurred while calling o1.collect.\n"
            ": org.apache.spark.SparkException: Job aborted due to stage failure\n"
            "Caused by: org.apache.spark.api.python.PythonException: Traceback (most recent call last):\n"
            '  File "/opt/pyspark.zip/pyspark/worker.py", line 1247, in main\n    process()\n'
            '  File "/tmp/code.zip/rates.py", line 9, in rate\n    return 1 / 0\n'
            "ZeroDivisionError: division by zero\n\n"
            "\tat org.apache.spark.api.python.PythonRunner.read(PythonRunner.scala:784)\n",
            "ZeroDivisionError: division by zero (at rates.py:9 in rate)",
            id="what a Python worker raised, inside of Spark's error",
        ),
    ],
)
def test_other_texts(text: str, said: str) -> None:
    assert condense(text) == said


def test_endless_message_is_cut() -> None:
    text = f'Traceback (most recent call last):\n  File "/srv/a.py", line 1\nValueError: {"x" * 5000}'
    assert len(condense(text)) < 650
    assert condense(text).endswith("... (at a.py:1)")

"""Python transforms on real Spark: what the function gets, what it gives, and which code runs where."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lake_under_test import Lake, day, request_of, transform

from airflow_lake_provider.protocol import LocalStore, PythonStep, TableReport, TableRequest
from airflow_lake_provider.protocol.archive import zip_bytes

FLIGHTS = "SELECT * FROM VALUES (1, 'UA', 100), (2, 'AA', 200), (3, 'UA', 300) AS t(id, carrier, distance)"

PACKAGE = {
    "shop/": "",
    "shop/__init__.py": "",
    "shop/flights.py": """
        from pyspark.sql import functions as F
        from pyspark.sql.types import DoubleType

        from shop.units import kilometres
        from sibling import UNIT

        @F.udf(DoubleType())
        def in_kilometres(miles):
            from shop import units  # on the executor, again

            assert units.__file__ == kilometres.__code__.co_filename, units.__file__
            return kilometres(miles)

        def build(bronze__flights, *, limit=1000):
            far = bronze__flights.filter(F.col("distance") < limit)
            return far.withColumn("distance", in_kilometres("distance")).withColumn("unit", F.lit(UNIT))
        """,
    "shop/units.py": "def kilometres(miles):\n    return miles * 1.6\n",
    "sibling.py": "UNIT = 'km'\n",
}


def code(lake: Lake, files: dict[str, str]) -> dict[str, str]:
    """Put modules where the control plane puts them, and return what a step says of them."""
    data = zip_bytes({name: textwrap.dedent(text).encode() for name, text in files.items()})
    sha256 = hashlib.sha256(data).hexdigest()
    uri = f"file://{lake.folder}/jobs/~code/{sha256}.zip"
    LocalStore().create(uri, data)
    return {"code_uri": uri, "code_sha256": sha256}


def python(
    lake: Lake,
    files: dict[str, str],
    table: str = "gold.t",
    *,
    module: str = "m",
    function: str = "build",
    reads: tuple[str, ...] = ("bronze.flights",),
    wants: tuple[str, ...] = (),
    strategy: str = "replace",
    deterministic: bool = True,
    **more: Any,
) -> TableRequest:
    """Return a request for what a function gives."""
    step = PythonStep(
        module=module,
        function=function,
        **code(lake, files),
        parameters={name.replace(".", "__"): name for name in reads},
        wants=wants,
        inputs=reads,
        deterministic=deterministic,
    )
    return request_of(table, step, strategy, spec_sha256="same", **more)


def one(text: str) -> dict[str, str]:
    return {"m.py": text}


@pytest.fixture
def flights(lake: Lake) -> Lake:
    """Return a lake with three flights."""
    assert lake.table(transform("bronze.flights", FLIGHTS)).status == "published"
    return lake


def error_of(report: TableReport) -> tuple[str, str]:
    assert (report.status, report.error is None) == ("failed", False)
    assert report.error is not None
    return report.error.type, report.error.message


def test_a_package_with_a_udf_runs_here_and_on_the_executors(flights: Lake) -> None:
    report = flights.table(python(flights, PACKAGE, module="shop.flights"))
    assert (report.status, report.rows.rows_read, report.error) == ("published", 3, None)
    assert flights.rows("SELECT id, distance, unit FROM gold.t") == [
        (1, 160.0, "km"),
        (2, 320.0, "km"),
        (3, 480.0, "km"),
    ]


def test_context_tells_the_run_and_spark_is_the_session(flights: Lake) -> None:
    text = """
        def build(context, spark):
            rows = [(name, repr(getattr(context, name))) for name in sorted(vars(context))]
            return spark.createDataFrame([*rows, ("master", spark.sparkContext.master)], "name string, value string")
        """
    request = python(flights, one(text), reads=(), wants=("context", "spark"))
    flights.table(request, run_id="r1", interval=day(1), logical_date="2026-01-01T00:00:00+00:00")
    told = dict(flights.rows("SELECT * FROM gold.t"))
    assert told == {
        "dag_id": "'p'",
        "run_id": "'r1'",
        "task_id": "'t'",
        "table": "'gold.t'",
        "logical_date": "datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
        "data_interval_start": "datetime.datetime(2026, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)",
        "data_interval_end": "datetime.datetime(2026, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)",
        "master": "local[2]",
    }
    flights.table(request, run_id="r2")
    assert dict(flights.rows("SELECT * FROM gold.t"))["data_interval_start"] == "None"


def test_nothing_changed_is_a_no_op_and_new_code_or_rows_are_not(flights: Lake) -> None:
    text = "def build(bronze__flights): return bronze__flights.select('id')\n"
    first = flights.table(python(flights, one(text)))
    again = flights.table(python(flights, one(text)))
    assert (again.status, again.plan, again.snapshot_id) == ("no_op", "nothing", first.snapshot_id)
    assert again.fingerprint == first.fingerprint
    changed = flights.table(python(flights, one(text.replace("'id'", "(bronze__flights.id * 10).alias('id')"))))
    assert (changed.status, changed.fingerprint == first.fingerprint) == ("published", False)
    assert flights.rows("SELECT id FROM gold.t") == [(10,), (20,), (30,)]
    flights.table(transform("bronze.flights", FLIGHTS.replace("100", "101")))
    newer = flights.table(python(flights, one(text)))
    assert newer.fingerprint not in (first.fingerprint, changed.fingerprint)


def test_what_is_not_deterministic_is_looked_at_at_each_run(flights: Lake) -> None:
    request = python(flights, one("def build(bronze__flights): return bronze__flights\n"), deterministic=False)
    flights.table(request)
    again = flights.table(request)
    assert (again.status, again.rows.rows_read, again.rows.rows_unchanged) == ("no_op", 3, 3)


def test_an_interval_is_appended_once(flights: Lake) -> None:
    text = """
        from pyspark.sql import functions as F

        def build(bronze__flights, context):
            return bronze__flights.withColumn("day", F.lit(context.data_interval_start.date()))
        """
    request = python(flights, one(text), wants=("context",), strategy="append")
    statuses = [flights.table(request, interval=day(number)).status for number in (1, 2, 1)]
    assert statuses == ["published", "published", "no_op"]
    assert flights.rows("SELECT day, count(*) FROM gold.t GROUP BY day")[0][1] == 3


def test_inputs_are_those_of_the_pinned_snapshot(flights: Lake) -> None:
    text = """
        def build(bronze__flights, spark):
            other = spark.newSession()  # another session has another cache, as another process has
            for key, value in %r.items():
                other.conf.set(key, value)
            other.sql("INSERT INTO %s.bronze.flights VALUES (4, 'DL', 400)")
            assert other.table("%s.bronze.flights").count() == 4
            return bronze__flights.unionByName(spark.table("bronze.flights"))
        """
    prefix = f"spark.sql.catalog.{flights.catalog.name}"
    from airflow_lake_provider.jobs.session import session_conf

    conf = {key: value for key, value in session_conf(flights.catalog).items() if key.startswith(prefix)}
    text = text % (conf, flights.catalog.name, flights.catalog.name)
    report = flights.table(python(flights, one(text), wants=("spark",)))
    assert (report.error, report.rows.rows_read) == (None, 6)
    assert flights.rows("SELECT count(*) FROM bronze.flights") == [(4,)]


def test_what_a_function_sets_is_for_its_own_table(flights: Lake) -> None:
    text = """
        def build(bronze__flights, spark):
            spark.conf.set("spark.sql.session.timeZone", "Asia/Tokyo")
            spark.conf.set("spark.sql.ansi.enabled", "true")
            spark.sql("USE spark_catalog.default")
            return bronze__flights.selectExpr("id", "CAST(timestamp'2026-01-01 00:00:00Z' AS STRING) AS at")
        """
    at = "CAST(timestamp'2026-01-01 00:00:00Z' AS STRING) AS at, CAST('x' AS INT) AS n"
    after = transform("gold.after", f"SELECT id, {at} FROM bronze.flights WHERE id = 1", inputs=("bronze.flights",))
    report = flights.run(python(flights, one(text), wants=("spark",)), after)
    assert report.error is None
    assert flights.rows("SELECT DISTINCT at FROM gold.t") == [("2026-01-01 09:00:00",)]
    assert flights.rows("SELECT * FROM gold.after") == [(1, "2026-01-01 00:00:00", None)]
    flights.table(
        python(
            flights,
            one("def build(spark):\n    spark.sql('USE gold')\n    return spark.range(1)\n"),
            reads=(),
            wants=("spark",),
        )
    )
    assert flights.spark.catalog.currentDatabase() == ""


def saying(word: str) -> dict[str, str]:
    """Return modules of the same names with every word, which tell it here and on the executors."""
    return {
        "m.py": """
            from pyspark.sql import functions as F
            import helper

            @F.udf("string")
            def word(x):
                import helper
                return helper.WORD

            def build(bronze__flights):
                return bronze__flights.select("id", word("id").alias("there"), F.lit(helper.WORD).alias("here"))
            """,
        "helper.py": f"WORD = {word!r}\n",
    }


def test_two_archives_of_one_application_may_have_modules_of_one_name(flights: Lake) -> None:
    words = ("first", "second", "first")
    tables = [python(flights, saying(word), f"gold.t{number}") for number, word in enumerate(words)]
    report = flights.run(*tables)
    assert [table.status for table in report.tables] == ["published"] * 3
    for number, word in enumerate(words):
        assert flights.rows(f"SELECT DISTINCT here, there FROM gold.t{number}") == [(word, word)]


@pytest.mark.timeout(600)
def test_executors_in_processes_of_their_own_get_the_code(flights: Lake) -> None:
    tables = [
        python(flights, PACKAGE, module="shop.flights"),
        *(python(flights, saying(word), f"gold.{word}") for word in ("first", "second")),
    ]
    request = flights.request(*tables)
    cluster = {"spark.master": "local-cluster[1,1,700]", "spark.executor.memory": "700m"}
    request = replace(request, spark_conf={**request.spark_conf, **cluster})
    _, log = flights.start(request).communicate(timeout=580)
    report = flights.report(request)
    assert report is not None, log[-4000:]
    assert [table.status for table in report.tables] == ["published"] * 3, report.error
    assert [row[0] for row in flights.rows("SELECT distance FROM gold.t")] == [160.0, 320.0, 480.0]
    for word in ("first", "second"):
        assert flights.rows(f"SELECT DISTINCT here, there FROM gold.{word}") == [(word, word)]


@pytest.mark.parametrize(
    ("body", "came"),
    [
        ("pass", "returned nothing"),
        ("return [1]", "returned a list"),
        ("return bronze__flights.rdd", "returned a pyspark.rdd.RDD"),
        ("return bronze__flights, bronze__flights", "returned a tuple"),
    ],
)
def test_anything_but_one_dataframe_is_refused(body: str, came: str, flights: Lake) -> None:
    report = flights.table(python(flights, one(f"def build(bronze__flights):\n    {body}\n")))
    assert error_of(report) == ("CodeError", f"gold.t: m:build {came}; expected one Spark DataFrame")


def test_two_columns_of_one_name_are_refused(flights: Lake) -> None:
    text = "def build(bronze__flights):\n    b = bronze__flights\n    return b.join(b.alias('c'), b.id == b.id)\n"
    kind, message = error_of(flights.table(python(flights, one(text))))
    assert (kind, "gold.t: the batch has two columns id" in message) == ("ContractError", True)


@pytest.mark.parametrize(
    ("text", "message", "retryable"),
    [
        (
            "def build(bronze__flights):\n    return inner({})\n\ndef inner(x):\n    return x['a']\n",
            "gold.t: m:build failed at m.py:5: KeyError: 'a'",
            False,
        ),
        ("def build(bronze__flights): return bronze__flights.select('nme')\n", "[UNRESOLVED_COLUMN", False),
        ("def build(bronze__flights): raise OSError('the rates are out of reach')\n", "out of reach", True),
        ("import nowhere\n", "ModuleNotFoundError: No module named 'nowhere'. Packages from outside", False),
        ("import sys\nsys.exit('nothing to do')\n", "failed at m.py:2: SystemExit: nothing to do", True),
        ("def bild(): ...\n", "AttributeError: module 'm' has no attribute 'build'", False),
        ("def build(bronze__flights): return bronze__flights.rdd.map(lambda r: 1 / 0).toDF()\n", "division by", True),
    ],
    ids=[
        "Python",
        "Spark's analysis",
        "I/O",
        "a missing package",
        "an exit",
        "no function",
        "a lambda on the executors",
    ],
)
def test_what_the_function_raises_is_told_with_its_place(
    text: str, message: str, retryable: bool, flights: Lake
) -> None:
    report = flights.table(python(flights, one(text)))
    kind, said = error_of(report)
    assert report.error is not None
    assert kind == "FunctionFailed"
    assert message in said
    assert said.startswith("gold.t: m:build failed")
    assert "Traceback" not in said
    assert len(said.splitlines()) == 1
    assert report.error.retryable is retryable
    assert "Traceback" in (report.error.stack or "")


def test_what_a_udf_raises_names_the_users_line(flights: Lake) -> None:
    text = """
        from pyspark.sql import functions as F

        @F.udf("int")
        def broken(x):
            return {}["a"]

        def build(bronze__flights):
            return bronze__flights.withColumn("x", broken("id"))
        """
    _, message = error_of(flights.table(python(flights, one(text))))
    assert message == "KeyError: 'a' (at m.py:6 in broken)"


def test_code_that_is_not_there_says_what_to_do(flights: Lake) -> None:
    request = python(flights, one("def build(bronze__flights): return bronze__flights\n# gone\n"))
    step = request.steps[0]
    assert isinstance(step, PythonStep)
    LocalStore().delete(step.code_uri)
    kind, message = error_of(flights.table(request))
    assert (kind, message) == (
        "CodeError",
        f"The code of m:build is not at {step.code_uri}. It is written there before a job is submitted: run the task "
        "again.",
    )
    LocalStore().write(step.code_uri, b"other")
    assert "expected " + step.code_sha256 in error_of(flights.table(request))[1]


def test_a_module_with_the_name_of_a_loaded_one_is_refused(flights: Lake) -> None:
    files = {"m.py": "def build(bronze__flights): return bronze__flights\n", "pyspark/": "", "pyspark/x.py": ""}
    kind, message = error_of(flights.table(python(flights, files)))
    assert kind == "CodeError"
    assert "has a module pyspark, and pyspark is already loaded where Spark runs" in message


def test_a_table_that_is_missing_is_told_as_for_a_query(flights: Lake) -> None:
    request = python(flights, one("def build(bronze__nothing): ...\n"), reads=("bronze.nothing",))
    kind, message = error_of(flights.table(request))
    assert (kind, message.startswith("gold.t reads bronze.nothing, which does not exist")) == ("SourceError", True)


@pytest.mark.timeout(300)
def test_a_function_is_tested_with_plain_pyspark(tmp_path: Path) -> None:
    for name, text in PACKAGE.items():
        if not name.endswith("/"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(textwrap.dedent(text))
    (tmp_path / "test_flights.py").write_text(
        textwrap.dedent(
            """
            import sys
            from types import SimpleNamespace
            from pyspark.sql import SparkSession
            from shop.flights import build

            spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
            rows = build(spark.createDataFrame([(1, 100), (2, 5000)], "id int, distance int"))
            assert [tuple(row) for row in rows.collect()] == [(1, 160.0, "km")]
            assert not [name for name in sys.modules if name.startswith(("airflow", "airflow_lake_provider"))]
            print("tested")
            """
        )
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "test_flights.py"],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": str(tmp_path), "SPARK_LOCAL_IP": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert done.stdout.splitlines()[-1] == "tested"

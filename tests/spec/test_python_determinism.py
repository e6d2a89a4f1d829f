"""What counts as the clock, as chance and as I/O of its own in Python source."""

from __future__ import annotations

import ast

import pytest

from airflow_lake_provider.spec.python_determinism import is_deterministic


@pytest.mark.parametrize(
    "text",
    [
        "def f(df): return df.filter(F.col('distance') > 0).groupBy('carrier').agg(F.sum('x'))",
        "def f(df): return df.select(df.open, df.time, df.user, df.uuid, df.sample)",
        "def f(df):\n    'Uses now() and rand() of nobody.'\n    return df",
        "from datetime import datetime, timedelta\nDAY = datetime(2026, 1, 1) + timedelta(days=1)",
        "def f(df, context): return df.where(df.day == context.data_interval_start)",
        "from .clock import now_of\nx = now_of",
        "from datetime import date, time\nNOON = time(12)",
        "import uuid\nx = uuid.uuid5(uuid.NAMESPACE_URL, 'a')",
        "from pyspark.sql.functions import *\nx = col('a')",
        "def f(df, now): return df.where(now)",
        "x = df.filter(\"name = 'now()'\")",
    ],
)
def test_this_gives_the_same_from_the_same(text: str) -> None:
    assert is_deterministic(ast.parse(text))


@pytest.mark.parametrize(
    "text",
    [
        # the clock
        "df.withColumn('at', F.current_timestamp())",
        "from pyspark.sql.functions import current_date as today_",
        "from pyspark.sql.functions import *\nx = current_timestamp()",
        "datetime.datetime.now()",
        "datetime.date.today()",
        "time.time()",
        "from time import time",
        "df.selectExpr('now() AS at')",
        "spark.sql(f'SELECT {x}, current_date')",
        # chance
        "import random",
        "import numpy as np\nnp.random.normal()",
        "df.withColumn('r', F.rand())",
        "df.sample(0.1)",
        "F.expr('uuid()')",
        "uuid.uuid4()",
        "getattr(F, 'rand')()",
        "F.call_function('randn')",
        "F.monotonically_increasing_id()",
        # I/O of its own
        "import requests",
        "from urllib import request",
        "import urllib.request as r",
        "from boto3.session import Session",
        "open('rates.csv')",
        "Path('rates.csv').read_text()",
        "pathlib.Path('rates.csv').open()",
        "pd.read_csv('rates.csv')",
        "os.environ['X']",
        "os.getenv('X')",
        "df.sparkSession.read.csv('x')",
        "from pyspark.sql import SparkSession",
        "exec('x')",
        "importlib.import_module('x')",
        # what differs from run to run
        "def f(df, context): return df.withColumn('run', F.lit(context.run_id))",
        "context.logical_date",
    ],
)
def test_this_may_not(text: str) -> None:
    assert not is_deterministic(ast.parse(text))

from __future__ import annotations

import logging
import subprocess
import sys

import pytest

from airflow_lake_provider.engines import LocalEngine, get_engine
from airflow_lake_provider.exceptions import EngineError


def test_engine_gets_its_options() -> None:
    engine = get_engine("local", {"driver_memory": "4g", "spark_conf": {"spark.ui.enabled": "true"}})
    assert isinstance(engine, LocalEngine)
    assert engine.spark_conf["spark.driver.memory"] == "4g"
    assert engine.spark_conf["spark.ui.enabled"] == "true"


@pytest.mark.parametrize(
    ("engine_type", "options", "message"),
    [
        pytest.param(
            "glue",
            {},
            "Engine 'glue' is not supported yet; there are: in_memory, local, spark_submit",
            id="a later engine",
        ),
        pytest.param(
            "locl",
            {},
            "There is no engine 'locl'; there are: in_memory, local, spark_submit. Did you mean 'local'?",
            id="no engine at all",
        ),
        pytest.param(
            "local",
            {"driver_memroy": "1g"},
            "Engine 'local' has no option 'driver_memroy'; it has: python, master, driver_memory, spark_conf, env. "
            "Did you mean 'driver_memory'?",
            id="an unknown option",
        ),
        pytest.param(
            "local",
            {"log": logging.getLogger()},
            "Engine 'local' has no option 'log'; it has: python, master, driver_memory, spark_conf, env.",
            id="what the program hands in is no option",
        ),
    ],
)
def test_wrong_engine_is_refused(engine_type: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(EngineError) as caught:
        get_engine(engine_type, options)
    assert str(caught.value) == message


def test_importing_the_seam_imports_no_engine() -> None:
    code = (
        "import sys, airflow_lake_provider.engines\n"
        "print([m for m in sys.modules if m in ('airflow', 'boto3', 'pyspark', 'airflow_lake_provider.engines.local')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

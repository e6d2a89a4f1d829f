"""The environment variables that a driver gets from the process that starts it."""

from __future__ import annotations

import os
from collections.abc import Collection

# What a driver must not see: the secrets of Airflow, and what would lead it to another Python or another Spark.
_DROPPED = ("AIRFLOW", "_AIRFLOW", "__AIRFLOW", "PYSPARK_")
_DROPPED_NAMES = frozenset(
    {"PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONEXECUTABLE", "VIRTUAL_ENV", "SPARK_HOME", "SPARK_CONF_DIR"}
)


def driver_environment(*, keep: Collection[str] = ()) -> dict[str, str]:
    """Return this process's environment less what a driver must not see, with the clock in UTC.

    :param keep: names that stay although they lead to a certain Python or Spark.
    """
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in keep or (name not in _DROPPED_NAMES and not name.startswith(_DROPPED))
    }
    return {**environment, "PYTHONNOUSERSITE": "1", "PYTHONUNBUFFERED": "1", "TZ": "UTC"}

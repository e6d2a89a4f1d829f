"""Resource profiles: sizes by name, in words that each engine has its own settings for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

BUILT_IN_PROFILES: Mapping[str, Mapping[str, Any]] = {
    "small": {"driver_memory": "2g", "executor_memory": "2g", "executor_cores": 1, "executors": 1},
    "medium": {"driver_memory": "4g", "executor_memory": "4g", "executor_cores": 2, "executors": 2},
    "large": {"driver_memory": "8g", "executor_memory": "8g", "executor_cores": 4, "executors": 4},
    "xlarge": {"driver_memory": "16g", "executor_memory": "16g", "executor_cores": 4, "executors": 8},
}

_SPARK = {
    "driver_memory": "spark.driver.memory",
    "driver_cores": "spark.driver.cores",
    "executor_memory": "spark.executor.memory",
    "executor_cores": "spark.executor.cores",
    "executors": "spark.executor.instances",
}
SIZES = tuple(_SPARK)
"""The keys of a profile that are sizes."""


def size_conf(profile: Mapping[str, Any], engine_type: str) -> Iterator[tuple[str, str, str]]:
    """Yield a profile's sizes as Spark's properties: the profile's key, the property, its value.

    On the local engine the driver does all the work, so only its memory means anything. ``spark.cores.max`` is what a
    standalone master knows in place of a number of executors.

    >>> list(size_conf({"driver_memory": "4g", "executors": 2}, "local"))
    [('driver_memory', 'spark.driver.memory', '4g')]
    >>> [name for _, name, _ in size_conf({"executor_cores": 2, "executors": 3}, "spark_submit")]
    ['spark.executor.cores', 'spark.executor.instances', 'spark.cores.max']
    """
    if engine_type not in ("local", "spark_submit"):
        return
    for key, name in _SPARK.items():
        if profile.get(key) is not None and (key == "driver_memory" or engine_type != "local"):
            yield key, name, str(profile[key])
    cores, executors = profile.get("executor_cores"), profile.get("executors")
    if engine_type == "spark_submit" and cores is not None and executors is not None:
        yield "executors", "spark.cores.max", str(cores * executors)

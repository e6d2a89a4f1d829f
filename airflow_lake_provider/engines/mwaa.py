"""Amazon's managed Airflow, whose containers are no place for Spark, nor for anything that is to stay."""

from __future__ import annotations

import os

from airflow_lake_provider.exceptions import EngineNotAllowed


def is_mwaa() -> bool:
    """Whether this process belongs to an MWAA environment, or to one of its images on a machine of one's own.

    Every image gives ``AWS_EXECUTION_ENV=Amazon_MWAA_<version>`` to all of its components, and lets nobody change it.
    """
    return os.environ.get("AWS_EXECUTION_ENV", "").startswith("Amazon_MWAA_")


def is_allowed() -> bool:
    """Whether ``LAKE_LOCAL_ON_MWAA=true`` says that Spark and its folders may live in these containers."""
    return os.environ.get("LAKE_LOCAL_ON_MWAA", "").lower() == "true"


def refuse_on_mwaa(what: str) -> None:
    """Refuse to run Spark in a worker of MWAA.

    :param what: what would run there: ``Engine 'local'``.
    :raises EngineNotAllowed: this is MWAA, and nobody said that it is allowed.
    """
    if is_mwaa() and not is_allowed():
        raise EngineNotAllowed(
            f"{what} runs Spark in the task's own container, which MWAA does not give enough of: a worker of mw1.small "
            "has 2 GB of memory for five tasks, of mw1.medium 4 GB for ten; its disk is its own; and autoscaling ends "
            "workers. Use an engine whose driver runs elsewhere: spark_submit with deploy_mode 'cluster' "
            "(docs/how-to/mwaa.md). On MWAA's image on a machine of your own, LAKE_LOCAL_ON_MWAA=true allows it."
        )

"""What DAGs and tasks are written with, from where each version keeps it: ``airflow.sdk`` in Airflow 3."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from airflow.sdk import (
        DAG,
        Asset,
        AssetAlias,
        AssetAll,
        AssetAny,
        BaseHook,
        BaseOperator,
        BaseOperatorLink,
        CronDataIntervalTimetable,
        DeltaDataIntervalTimetable,
        Param,
        TaskGroup,
        get_parsing_context,
    )
    from airflow.sdk.bases.xcom import BaseXCom
    from airflow.sdk.exceptions import (
        AirflowException,
        AirflowFailException,
        AirflowNotFoundException,
        AirflowSkipException,
        AirflowTaskTimeout,
    )
else:
    try:
        from airflow.sdk import (
            DAG,
            Asset,
            AssetAlias,
            AssetAll,
            AssetAny,
            BaseOperator,
            BaseOperatorLink,
            Param,
            TaskGroup,
            get_parsing_context,
        )
        from airflow.sdk.bases.xcom import BaseXCom
    except ImportError:  # Airflow 2
        from airflow.datasets import Dataset as Asset
        from airflow.datasets import DatasetAlias as AssetAlias
        from airflow.datasets import DatasetAll as AssetAll
        from airflow.datasets import DatasetAny as AssetAny
        from airflow.models import DAG, BaseOperator, Param
        from airflow.models.baseoperatorlink import BaseOperatorLink
        from airflow.models.xcom import XCom as BaseXCom
        from airflow.utils.dag_parsing_context import get_parsing_context
        from airflow.utils.task_group import TaskGroup

    try:
        from airflow.sdk import BaseHook
    except ImportError:  # before 3.1
        from airflow.hooks.base import BaseHook

    try:
        from airflow.sdk import CronDataIntervalTimetable, DeltaDataIntervalTimetable
        from airflow.sdk.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSkipException,
            AirflowTaskTimeout,
        )
    except ImportError:  # before 3.2
        from airflow.exceptions import (
            AirflowException,
            AirflowFailException,
            AirflowNotFoundException,
            AirflowSkipException,
            AirflowTaskTimeout,
        )
        from airflow.timetables.interval import CronDataIntervalTimetable, DeltaDataIntervalTimetable

__all__ = [
    "DAG",
    "HAS_SDK",
    "AirflowException",
    "AirflowFailException",
    "AirflowNotFoundException",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "Asset",
    "AssetAlias",
    "AssetAll",
    "AssetAny",
    "BaseHook",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseXCom",
    "CronDataIntervalTimetable",
    "DeltaDataIntervalTimetable",
    "Param",
    "TaskGroup",
    "get_parsing_context",
    "shows_code_by_fileloc",
]

HAS_SDK = DAG.__module__.startswith("airflow.sdk")
"""Whether this is Airflow 3."""


def shows_code_by_fileloc() -> bool:
    """Say whether a DAG may name any file for the Code tab: Airflow 3 finds a DAG's own file by ``relative_fileloc``.

    Airflow 2 has but ``fileloc``: it hands it to workers, and drops DAGs whose file is no Python file.
    """
    return HAS_SDK

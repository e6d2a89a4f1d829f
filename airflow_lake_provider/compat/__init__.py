"""Every difference between the Airflow versions that the package runs on: nothing else asks for the version.

Airflow 3 speaks of assets and keeps its authoring interface in ``airflow.sdk``; Airflow 2 speaks of datasets.
Importing this package imports Airflow.
"""

from __future__ import annotations

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_lake_provider.compat.assets import add_asset_event, make_asset, start_date_by_assets
from airflow_lake_provider.compat.authoring import (
    DAG,
    AirflowException,
    AirflowFailException,
    AirflowSkipException,
    AirflowTaskTimeout,
    Asset,
    AssetAlias,
    AssetAll,
    AssetAny,
    BaseOperator,
    BaseOperatorLink,
    BaseXCom,
    CronDataIntervalTimetable,
    DeltaDataIntervalTimetable,
    Param,
    TaskGroup,
    get_parsing_context,
    shows_code_by_fileloc,
)
from airflow_lake_provider.compat.connection import find_connection
from airflow_lake_provider.compat.interval import last_complete_interval
from airflow_lake_provider.compat.triggerer import (
    defers_by_default,
    has_been_deferred,
    in_thread,
    task_state,
    tells_triggers_of_kills,
)

__all__ = [
    "DAG",
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "AirflowTaskTimeout",
    "Asset",
    "AssetAlias",
    "AssetAll",
    "AssetAny",
    "BaseOperator",
    "BaseOperatorLink",
    "BaseTrigger",
    "BaseXCom",
    "CronDataIntervalTimetable",
    "DeltaDataIntervalTimetable",
    "Param",
    "TaskGroup",
    "TriggerEvent",
    "add_asset_event",
    "defers_by_default",
    "find_connection",
    "get_parsing_context",
    "has_been_deferred",
    "in_thread",
    "last_complete_interval",
    "make_asset",
    "shows_code_by_fileloc",
    "start_date_by_assets",
    "task_state",
    "tells_triggers_of_kills",
]

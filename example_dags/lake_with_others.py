"""Lake operators among those of other providers: a sensor waits, a shell command delivers, a branch decides.

``setup`` and ``teardown`` put a working copy of the files there and take it away, whatever happens in between. What a
table's task returns decides what comes next: a run that published nothing ends quietly.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import BranchPythonOperator, ShortCircuitOperator
from airflow.providers.standard.sensors.python import PythonSensor
from airflow.sdk import DAG, TaskGroup

from airflow_lake_provider import IcebergMergeOperator, LakeIngestOperator, LakeQualityCheckOperator

HERE = Path(__file__).parent
LANDED = "/tmp/lake_with_others/{{ run_id | replace(':', '-') }}"  # noqa: S108 - an example's working copy


def is_there(folder: str) -> bool:
    """Say whether the files have arrived."""
    return any(Path(folder).glob("*.csv"))


def has_changed(result: dict[str, Any]) -> bool:
    """Say whether the table has a new snapshot."""
    return bool(result["status"] == "published")


def what_to_do(result: dict[str, Any]) -> str:
    """Choose the next task by the rows that were set aside."""
    return "after.look_at_quarantine" if result["rows_quarantined"] else "after.all_good"


with DAG("lake_with_others", schedule=None, catchup=False, doc_md=__doc__, tags=["example", "iceberg"]):
    deliver = BashOperator(
        task_id="deliver", bash_command=f"mkdir -p '{LANDED}' && cp {HERE}/data/orders/*.csv '{LANDED}'"
    )
    wait = PythonSensor(
        task_id="wait", python_callable=is_there, op_args=[LANDED], mode="reschedule", poke_interval=5, timeout=300
    )
    ingest = LakeIngestOperator(
        task_id="ingest", table="bronze.others_orders", files=f"{LANDED}/*.csv", options={"header": True}
    )
    merge = IcebergMergeOperator(
        task_id="merge",
        table="silver.others_orders",
        source="bronze.others_orders",
        unique_key="order_id",
        sequence_by="updated_at",
        columns={"order_id": "bigint not null", "amount": "decimal(10,2)", "updated_at": "timestamp"},
    )
    changed = ShortCircuitOperator(
        task_id="changed", python_callable=has_changed, op_args=[merge.output], ignore_downstream_trigger_rules=False
    )
    # The teardown makes what it belongs to a setup.
    clean = BashOperator(task_id="clean", bash_command=f"rm -r '{LANDED}'").as_teardown(setups=deliver)

    with TaskGroup("after") as after:
        decide = BranchPythonOperator(task_id="decide", python_callable=what_to_do, op_args=[merge.output])
        look = LakeQualityCheckOperator(
            task_id="look_at_quarantine", table="silver.others_orders__quarantine", checks=["row_count < 100"]
        )
        good = EmptyOperator(task_id="all_good")
        done = EmptyOperator(task_id="done", trigger_rule="none_failed_min_one_success")
        decide >> [look, good] >> done

    deliver >> wait >> ingest >> clean
    ingest >> merge >> changed >> after

"""Airflow's own arguments of a table's task."""

from __future__ import annotations

from typing import Literal

from pydantic import StrictBool, StrictInt

from airflow_lake_provider.spec.key import Count, Duration, FilledText, Keys, Positive, key


class TaskKeys(Keys):
    """Airflow's own arguments of the task."""

    retries: Count | None = key(
        "How often a failed task is tried again; by default what Airflow's configuration says.", 2
    )
    retry_delay: Duration | None = key("The time between two tries; by default 5 minutes.", "1m")
    retry_exponential_backoff: StrictBool | None = key("Whether each wait is about twice the one before.", True)
    max_retry_delay: Duration | None = key("The longest time between two tries.", "1h")
    execution_timeout: Duration | None = key(
        "The longest time that one try may take; then its job is cancelled and the try has failed. By default none.",
        "1h30m",
    )
    pool: FilledText | None = key("The pool whose slots the task takes; by default Airflow's `default_pool`.", "spark")
    pool_slots: Positive | None = key("How many slots of the pool the task takes; by default 1.", 2)
    priority_weight: StrictInt | None = key(
        "Which of the waiting tasks starts first: the one with the highest; by default 1.", 10
    )
    weight_rule: Literal["downstream", "upstream", "absolute"] | None = key(
        "How the weights of other tasks count with it: of those after it (the default), before it, or none.", "absolute"
    )
    queue: FilledText | None = key("The queue of the executor's workers that the task waits in.", "heavy")
    trigger_rule: (
        Literal[
            "all_success", "all_failed", "all_done", "all_done_min_one_success", "all_done_setup_success",
            "all_skipped", "always", "none_failed", "none_failed_min_one_success", "none_skipped", "one_done",
            "one_failed", "one_success",
        ]
        | None
    ) = key(
        "What the tasks before it must have come to; by default all must have ended well.", "none_failed"
    )  # fmt: skip
    depends_on_past: StrictBool | None = key(
        "Whether the task waits until its own run of the interval before has ended well.", True
    )
    wait_for_downstream: StrictBool | None = key(
        "Whether it also waits for the tasks right after its own run of the interval before.", True
    )
    max_active_tis_per_dag: Positive | None = key(
        "The most runs of this task at one time, over all runs of the DAG; by default no limit.", 1
    )
    run_as_user: FilledText | None = key("The user of the worker's system who runs the task.", "etl")
    executor: FilledText | None = key("The executor that runs the task, where Airflow has several.", "CeleryExecutor")
    owner: FilledText | None = key("Who is responsible, as Airflow shows it.", "data-platform")


TASK_ARGUMENTS = tuple(TaskKeys.model_fields)

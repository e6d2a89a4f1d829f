"""One round: a new lake, all its runs under random kills, one clear of what failed, then a look at what is left."""

from __future__ import annotations

import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from stack import MetadataServer, Stack, wait_until

from chaos.project import DAG_ID, days_of, write_project
from chaos.settled import assert_settled
from chaos.victims import Kill, Killer, at_work

PAUSE_SECONDS = (4.0, 22.0)
ROUND_SECONDS = 1500.0
FINISHED = ("success", "failed")


@dataclass(frozen=True)
class Kind:
    """How a round runs: whether tasks wait in the triggerer, and who makes the runs."""

    deferrable: bool
    backfill: bool

    def __str__(self) -> str:
        waits = "deferred" if self.deferrable else "waiting on the worker"
        return f"{'a backfill' if self.backfill else 'catching up'}, {waits}"


KINDS = (Kind(False, False), Kind(True, True), Kind(False, True), Kind(True, False))


@dataclass
class Round:
    """What became of one round."""

    number: int
    kind: Kind
    kills: list[Kill] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)
    tries: int = 0
    cleared: int = 0
    seconds: float = 0.0

    @property
    def by_kind(self) -> Counter[str]:
        """How many kills there were of each kind."""
        return Counter(kill.kind for kill in self.kills)


class Runner:
    """Runs one round in a stack of its own."""

    def __init__(
        self,
        stack: Stack,
        server: MetadataServer,
        made: Round,
        *,
        chance: random.Random,
        days: int,
        say: Callable[[str], None],
        deadline: float,
    ) -> None:
        self._stack, self._server, self._made, self._chance, self._days = stack, server, made, chance, days
        self._say, self._deadline = say, deadline
        self._begun = time.monotonic()
        self._killer = Killer(stack, server, chance, self._now)

    def run(self) -> None:
        """Run it.

        :raises AssertionError: something hangs, fails after the clear, or is left behind.
        """
        project = write_project(self._stack.home, days=self._days, deferrable=self._made.kind.deferrable)
        self._stack.api.wait_for_dags(DAG_ID)
        self._begin()
        self._begun = time.monotonic()
        self._disturb()
        failed = self._states()["failed"] + self._states()["upstream_failed"]
        if failed:
            self._say(f"  clearing {failed} tasks that failed")
            self._made.cleared = failed
            self._stack.api.clear_tasks(DAG_ID, only_failed=True)
            self._wait_for_the_end()
        self._made.seconds = self._now()
        self._made.tries = int(self._query("SELECT coalesce(sum(try_number), 0) FROM task_instance")[0])
        states = self._states()
        assert set(states) == {"success"}, f"after the retries and one clear: {dict(states)}"
        wait_until(lambda: not at_work(self._stack), seconds=40, what=lambda: f"the end of {at_work(self._stack)}")
        self._stack.stop(*self._killer.names())
        assert_settled(self._stack, project, days_of(self._days))

    def _begin(self) -> None:
        if self._made.kind.backfill:
            days = [datetime.fromisoformat(day).replace(tzinfo=UTC) for day in days_of(self._days)]
            body = {"dag_id": DAG_ID, "from_date": days[0], "to_date": days[-1], "max_active_runs": 2}
            self._stack.api.call("POST", "/backfills", {**body, "reprocess_behavior": "none"})
        self._stack.api.unpause(DAG_ID)

    def _disturb(self) -> None:
        """Kill until all runs have ended, or until the time for kills is over."""
        moment = self._now() + self._chance.uniform(*PAUSE_SECONDS)
        while not self._is_over():
            self._killer.restart_due()
            self._revive()
            if self._now() >= moment and time.monotonic() < self._deadline:
                kill = self._killer.kill()
                if kill is not None:
                    self._made.kills.append(kill)
                    self._say(f"  {kill}")
                moment = self._now() + self._chance.uniform(*PAUSE_SECONDS)
            assert self._now() < ROUND_SECONDS, f"something hangs: {self._tasks()}"
            time.sleep(1)
        self._killer.restart_all()
        self._wait_for_the_api()

    def _wait_for_the_end(self) -> None:
        def is_over() -> bool:
            self._killer.restart_due()
            self._revive()
            return self._is_over()

        wait_until(is_over, seconds=ROUND_SECONDS, what=lambda: f"the end of what was cleared: {self._tasks()}", poll=1)

    def _revive(self) -> None:
        for service in self._killer.revive():
            self._made.revived.append(service)
            self._say(f"  {self._now():7.1f} s  {service} has ended by itself")

    def _wait_for_the_api(self) -> None:
        def answers() -> bool:
            self._killer.restart_due()
            self._revive()
            return self._stack.api.is_up()

        wait_until(answers, seconds=180, what="the REST API")

    def _is_over(self) -> bool:
        with contextlib.suppress(RuntimeError):  # the database may be starting again
            rows = self._query(f"SELECT state FROM dag_run WHERE dag_id = '{DAG_ID}'")
            return len(rows) >= self._days and all(state in FINISHED for state in rows)
        return False

    def _states(self) -> Counter[str]:
        return Counter(self._query("SELECT coalesce(state, 'none') FROM task_instance"))

    def _tasks(self) -> list[str]:
        return self._query("SELECT run_id, task_id, state, try_number FROM task_instance ORDER BY 1, 2")

    def _query(self, statement: str) -> list[str]:
        database = self._stack.database.rpartition("/")[2]
        return self._server.server.sql(database, statement).split("\n")[:-1]

    def _now(self) -> float:
        return time.monotonic() - self._begun


def keep(home: Path, made: Round, seed: str) -> Path:
    """Write the kill log of a round that failed beside its files; return where."""
    log = home / "kills.log"
    log.write_text(f"seed {seed}, round {made.number}: {made.kind}\n" + "".join(f"{kill}\n" for kill in made.kills))
    return log

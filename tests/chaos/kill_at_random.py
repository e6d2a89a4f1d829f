"""Kill what runs, at random, round after round: the flights must come out as if nobody had.

    python tests/chaos/kill_at_random.py --minutes 60 [--seed N] [--rounds N]

Each round is a new lake in a new Airflow (scheduler, triggerer, DAG processor, API server, PostgreSQL). While its runs
go on, one process after the other is killed with SIGKILL: a service, a task, a job. Services are started again a moment
later, as systemd would. Then one clear takes up what failed, and everything is looked at; see ``settled.py``.

The seed decides whom and when (not what they were doing). A failure leaves the round's folder with its kill log.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import time
import traceback
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from stack import MetadataServer, airflow_stack, metadata_server  # noqa: E402

from chaos.round import KINDS, Round, Runner, keep  # noqa: E402
from chaos.victims import WEIGHTS  # noqa: E402


def main() -> int:
    """Parse the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Kill at random while the flights run.")
    parser.add_argument("--minutes", type=float, default=60, help="no round begins after this time (default 60)")
    parser.add_argument("--rounds", type=int, default=1000, help="at most so many rounds")
    parser.add_argument("--days", type=int, default=2, help="days of flights in a round (default 2)")
    parser.add_argument("--seed", type=int, default=None, help="repeats the choices of an earlier run")
    parser.add_argument("--first", type=int, default=1, help="the number of the first round")
    arguments = parser.parse_args()
    # JVMs live for seconds here: a quick start counts, the second compiler does not.
    os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    say(f"seed {seed}: rounds of {arguments.days} days for {arguments.minutes:g} minutes")
    deadline = time.monotonic() + 60 * arguments.minutes
    rounds: list[Round] = []
    good = True
    with metadata_server() as server:
        for number in range(arguments.first, arguments.first + arguments.rounds):
            if rounds and time.monotonic() > deadline - rounds[-1].seconds / 2:
                break
            made = Round(number, KINDS[(number - 1) % len(KINDS)])
            rounds.append(made)
            good = one(server, made, seed=f"{seed}/{number}", days=arguments.days, deadline=deadline)
            if not good:
                break
    print_figures(rounds, good=good)
    return 0 if good else 1


def one(server: MetadataServer, made: Round, *, seed: str, days: int, deadline: float) -> bool:
    """Run a round; say whether it ended as if nobody had been killed."""
    say(f"round {made.number}: {made.kind}")
    begun = time.monotonic()
    os.environ["LAKE_KEEP_STACK"] = "yes"
    try:
        with airflow_stack(server) as stack:
            home = stack.home
            runner = Runner(stack, server, made, chance=random.Random(seed), days=days, say=say, deadline=deadline)
            runner.run()
            del os.environ["LAKE_KEEP_STACK"]
    except Exception:
        say(traceback.format_exc())
        log = keep(home, made, seed)
        say(f"round {made.number} went wrong (seed {seed}). Its folder is kept: {home}\n{log.read_text()}")
        return False
    say(
        f"  good: {len(made.kills)} kills, {made.tries} tries, {made.cleared} tasks cleared, "
        f"runs {made.seconds:.0f} s, all {time.monotonic() - begun:.0f} s"
    )
    return True


def print_figures(rounds: list[Round], *, good: bool) -> None:
    """Print what was killed, how often, and what it took to get over it."""
    kills = sum((made.by_kind for made in rounds), Counter[str]())
    by_kind = ", ".join(f"{kind} {kills[kind]}" for kind in WEIGHTS if kills[kind])
    clears = sum(bool(made.cleared) for made in rounds)
    say(
        f"{len(rounds)} rounds, {kills.total()} kills ({by_kind}), {sum(made.tries for made in rounds)} tries, "
        f"{clears} rounds needed the clear ({sum(made.cleared for made in rounds)} tasks); "
        f"{'all good' if good else 'the last one went wrong'}"
    )


def say(text: str) -> None:
    """Print at once, also where the output goes to a file."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())

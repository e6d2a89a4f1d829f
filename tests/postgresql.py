"""A PostgreSQL server for as long as a test needs one, with its files in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

_INSTALLED = Path("/usr/lib/postgresql")
# The files are thrown away: nothing has to survive a power cut.
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class PostgreSQL:
    """A running server; its one user may do everything."""

    programs: Path
    port: int
    user: str
    password: str

    def uri(self, database: str, *, scheme: str = "postgresql+psycopg2") -> str:
        """Return how SQLAlchemy opens a database."""
        return f"{scheme}://{self.user}:{quote(self.password, safe='')}@127.0.0.1:{self.port}/{database}"

    def run(self, program: str, *arguments: str, stdin: str | None = None) -> str:
        """Run one of PostgreSQL's client programs as the user; return what it printed."""
        account = ["-h", "127.0.0.1", "-p", str(self.port), "-U", self.user]
        done = subprocess.run(
            [str(self.programs / program), *account, *arguments],
            env={**os.environ, "PGPASSWORD": self.password},
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{program} {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def sql(self, database: str, statement: str) -> str:
        """Run a statement; return its rows, one a line, columns parted by ``|``."""
        return self.run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", statement)


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextlib.contextmanager
def postgresql(*, user: str, password: str, settings: Mapping[str, str] | None = None) -> Iterator[PostgreSQL]:
    """Start a server on a port of this machine; at the end it and its files are gone.

    :param settings: of ``postgresql.conf``.
    :raises RuntimeError: there is no PostgreSQL, and it cannot be installed.
    """
    programs = _programs()
    # The server refuses to run as root; the folder is one that another user may enter.
    as_user = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    folder = Path(subprocess.check_output([*as_user, "mktemp", "-d"], text=True, cwd="/").strip())
    port = free_port()

    def run(program: str, *arguments: str) -> None:
        subprocess.run([*as_user, str(programs / program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")

    try:
        (folder / "password").write_text(password)
        run(
            "initdb", "-D", f"{folder}/data", "-A", "scram-sha-256", "-U", user, f"--pwfile={folder}/password", "-N",
            "-E", "UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        given = {"listen_addresses": "127.0.0.1", "max_connections": "400", **_QUICK, **(settings or {})}
        options = " ".join([f"-p {port} -k {folder}", *(f"-c {key}={value}" for key, value in given.items())])
        run("pg_ctl", "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield PostgreSQL(programs=programs, port=port, user=user, password=password)
        finally:
            run("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
    finally:
        subprocess.run([*as_user, "rm", "-rf", str(folder)], check=True, cwd="/")


def _programs() -> Path:
    """Return the folder of the newest PostgreSQL's programs; root of a Debian installs it where there is none."""
    found = _newest()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # Its own cluster is of no use here: an init system at run level 1 does not start it.
        env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
        for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "postgresql"]):
            subprocess.run(
                ["apt-get", *words], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True
            )
        found = _newest()
    if found is None:
        raise RuntimeError(
            "These tests need PostgreSQL's server (initdb, pg_ctl), in /usr/lib/postgresql/<version>/bin or on the "
            "PATH: apt-get install postgresql"
        )
    return found


def _newest() -> Path | None:
    packaged = sorted(_INSTALLED.glob("*/bin/initdb"), key=lambda path: float(path.parents[1].name))
    if packaged:
        return packaged[-1].parent
    elsewhere = shutil.which("initdb")
    return Path(elsewhere).resolve().parent if elsewhere else None

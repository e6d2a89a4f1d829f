"""The Airflow versions that people run on Amazon MWAA, each in an environment that is built once.

An environment holds Airflow and all that the package requires, by the versions that MWAA pins (``constraints/mwaa/``),
and lies in the user's cache folder, keyed by what is in it, for all checkouts. The package itself is the wheel of this
checkout, in a folder of its own that ``PYTHONPATH`` puts in front: provider, policy and commands are found as they are
after an installation. As a script it builds the environments that are named, by default all.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from airflow_lake_provider.engines.cache import cache_folder

ROOT = Path(__file__).resolve().parents[1]
CONSTRAINTS = ROOT / "constraints" / "mwaa"
OWN_VERSION = metadata.version("apache-airflow")
"""The newest version: the checkout's own environment has it, with the package in place."""
MWAA_VERSIONS = ("2.11.2", "3.0.6", "3.2.1", "3.3.1")
VERSIONS = (*MWAA_VERSIONS, OWN_VERSION)

# PostgreSQL as Airflow's metadata database needs both, the second one for Airflow 3's API server.
_DATABASE_CLIENTS = ("psycopg2-binary", "asyncpg")
_COMPLETE = ".complete"
_KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True)
class AirflowEnvironment:
    """One Airflow version with the package installed, ready for subprocesses."""

    version: str
    python: Path
    variables: Mapping[str, str]
    """What to put over a process's environment variables: the package, and the commands ``airflow`` and ``lake``."""

    @property
    def is_airflow_2(self) -> bool:
        """Say whether it is Airflow 2, which has datasets instead of assets and no API server."""
        return self.version.startswith("2.")


def airflow_environment(version: str) -> AirflowEnvironment:
    """Return the environment of an Airflow version; build it where it is missing, which takes minutes.

    The package is this checkout's at the moment of the call; environments that were returned before stay as they are.

    :param version: one of :data:`VERSIONS`.
    """
    if version == OWN_VERSION:
        own = Path(sys.executable)
        return AirflowEnvironment(version, own, {"PATH": f"{own.parent}{os.pathsep}{os.environ['PATH']}"})
    if version not in MWAA_VERSIONS:
        raise ValueError(f"There is no environment of Airflow {version}; expected one of {', '.join(VERSIONS)}")
    folder = _environment_folder(version)
    package = _installed_package(version, folder / "bin" / "python")
    commands = (str(package / "bin"), str(folder / "bin"), os.environ["PATH"])
    variables = {"PYTHONPATH": str(package), "PATH": os.pathsep.join(commands)}
    return AirflowEnvironment(version, folder / "bin" / "python", variables)


def migrated_database(environment: AirflowEnvironment) -> Path:
    """Return an empty SQLite metadata database of the environment's Airflow, to be copied; made once."""
    constraints = (
        ROOT / "constraints" / "airflow-3.3.txt"
        if environment.version == OWN_VERSION
        else CONSTRAINTS / f"airflow-{environment.version}.txt"
    )
    kept = _cache() / f"{environment.version}-{_digest(constraints.read_text())}.db"
    with _locked(kept.name):
        if not kept.exists():
            with tempfile.TemporaryDirectory(dir=kept.parent) as home:
                made = Path(home) / "airflow.db"
                _run(
                    [environment.python, "-m", "airflow", "db", "migrate"],
                    {
                        **environment.variables,
                        "AIRFLOW_HOME": home,
                        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{made}",
                        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
                    },
                )
                made.replace(kept)
    return kept


def _environment_folder(version: str) -> Path:
    constraints = CONSTRAINTS / f"airflow-{version}.txt"
    base = _base_python()
    requirements = _requirements(version)
    key = _digest(constraints.read_text(), *requirements, _python_version(base))
    folder = _cache() / f"{version}-{key}"
    with _locked(folder.name):
        if (folder / _COMPLETE).exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)  # of a build that was interrupted
        print(f"Building the environment of Airflow {version} in {folder}", file=sys.stderr, flush=True)
        _run([base, "-m", "venv", folder])
        install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*install, "--no-input", "--constraint", constraints, *requirements])
        (folder / _COMPLETE).touch()
    return folder


def _requirements(version: str) -> tuple[str, ...]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    own = [*project["dependencies"], *project["optional-dependencies"]["amazon"]]
    return (f"apache-airflow=={version}", *own, *_DATABASE_CLIENTS)


def _installed_package(version: str, python: Path) -> Path:
    """Return the folder that holds the wheel of the sources as they are now, installed by that version's Python."""
    checkout = _cache() / "packages" / _digest(str(ROOT))
    sources = checkout / _digest_of_sources()
    folder = sources / version
    with _locked(f"package-{sources.name}"):
        if not folder.exists():
            sources.mkdir(parents=True, exist_ok=True)
            wheel = next(sources.glob("*.whl"), None) or _built_wheel(sources)
            with tempfile.TemporaryDirectory(dir=sources) as new:
                target = Path(new) / version
                install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
                _run([*install, "--no-deps", "--no-index", "--target", target, wheel])
                target.rename(folder)
        os.utime(sources)
        _remove_old(checkout)
    return folder


def _built_wheel(folder: Path) -> Path:
    with tempfile.TemporaryDirectory(dir=folder) as new:
        _run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", new, ROOT])
        (wheel,) = Path(new).glob("*.whl")
        return wheel.rename(folder / wheel.name)


def _remove_old(checkout: Path) -> None:
    """Remove the packages of sources that were last used a day ago."""
    for folder in checkout.iterdir():
        if time.time() - folder.stat().st_mtime > _KEPT_SECONDS:
            shutil.rmtree(folder, ignore_errors=True)


def _digest_of_sources() -> str:
    package = ROOT / "airflow_lake_provider"
    files = sorted(path for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    sources = [ROOT / "pyproject.toml", ROOT / "README.md", *files]
    parts = [f"{path.relative_to(ROOT)} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sources]
    return _digest(*parts)


@functools.cache
def _base_python() -> str:
    """Return the Python that MWAA has, 3.12, else 3.11: from the PATH, from pyenv, or the one that runs this."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    for minor in ("3.12", "3.11"):
        for found in (shutil.which(f"python{minor}"), *sorted(pyenv.glob(f"{minor}.*/bin/python"), reverse=True)):
            if found and _python_version(str(found)).startswith(f"{minor}."):
                return str(found)
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info.major}.{sys.version_info.minor}")


@functools.cache
def _python_version(python: str) -> str:
    """Return its version; nothing of one that cannot make environments, or is a mere shim."""
    code = "import ensurepip, venv, platform; print(platform.python_version())"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _cache() -> Path:
    folder = cache_folder() / "airflow"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    """Let one process at a time build the thing of that name; a process that dies leaves no lock."""
    locks = cache_folder() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / f"airflow-{name}").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: Sequence[str | Path], variables: Mapping[str, str] | None = None) -> None:
    """Run a step of a build; its output is shown only when it fails."""
    environ = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")}
    done = subprocess.run(
        [str(part) for part in command],
        env={**environ, **(variables or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(str(part) for part in command)} failed:\n{done.stdout}")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


if __name__ == "__main__":
    for name in sys.argv[1:] or VERSIONS:
        environment = airflow_environment(name)
        print(f"Airflow {environment.version}: {environment.python}")

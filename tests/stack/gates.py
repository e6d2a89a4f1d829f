"""Gates: user code in which a job waits until the test lets it go on, so that moments are exact without sleeping."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stack.waiting import wait_until

_MODULE = '''\
"""Functions of the tests' transforms: they wait at a gate, a pair of files."""

import time
from pathlib import Path

GATES = Path({folder!r})


def wait_at(name):
    """Say that the job is here, and wait until the gate opens."""
    (GATES / f"{{name}}.reached").touch()
    while not (GATES / f"{{name}}.open").exists():
        time.sleep(0.1)
'''


@dataclass(frozen=True)
class Gates:
    """A folder of gates, and the module that transforms import: ``from gates import wait_at``."""

    folder: Path

    def write_module(self, project: Path) -> None:
        """Put ``gates.py`` into a project, for its transforms."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (project / "gates.py").write_text(_MODULE.format(folder=str(self.folder)))

    def is_reached(self, name: str) -> bool:
        """Whether a job has come to the gate since it was last closed."""
        return (self.folder / f"{name}.reached").exists()

    def wait(self, name: str, *, seconds: float = 180) -> None:
        """Wait until a job stands at the gate."""
        wait_until(lambda: self.is_reached(name), seconds=seconds, what=f"a job at the gate {name!r}")

    def open(self, name: str) -> None:
        """Let all jobs through, those that come later too."""
        (self.folder / f"{name}.open").touch()

    def close(self, name: str) -> None:
        """Hold the jobs that come from now on, and forget that any was here."""
        (self.folder / f"{name}.open").unlink(missing_ok=True)
        (self.folder / f"{name}.reached").unlink(missing_ok=True)

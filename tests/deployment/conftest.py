from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from deployment.dockerfile import copied

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's wheel, built from what the Dockerfile copies for it and nothing else."""
    source = copied("wheel", tmp_path_factory.mktemp("src"))
    built = tmp_path_factory.mktemp("wheels")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-build-isolation", "--no-deps", "-w", str(built), "."],
        cwd=source, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    (found,) = built.glob("*.whl")
    return found

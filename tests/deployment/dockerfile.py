"""What the Dockerfile says, stage by stage."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from dockerfile_parse import DockerfileParser

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


@dataclass(frozen=True)
class Instruction:
    """One instruction, and the stage that it belongs to: its name, the last one's is ``""``."""

    stage: str
    name: str
    value: str


def instructions() -> list[Instruction]:
    """Return all instructions but comments."""
    found, stage = [], ""
    for part in DockerfileParser(str(DOCKERFILE), cache_content=True).structure:
        if part["instruction"] == "FROM":
            stage = part["value"].partition(" AS ")[2]
        if part["instruction"] != "COMMENT":
            found.append(Instruction(stage, part["instruction"], part["value"]))
    return found


def image_environment() -> dict[str, str]:
    """Return the variables that the image gives to its containers, ``$PATH`` as it stands."""
    found = {}
    for instruction in instructions():
        if instruction.name == "ENV" and not instruction.stage:
            found.update(word.split("=", 1) for word in shlex.split(instruction.value))
    return found


def copies(stage: str) -> list[tuple[list[str], str]]:
    """Return sources and target of each COPY from the checkout in a stage."""
    found = []
    for instruction in instructions():
        if instruction.name == "COPY" and instruction.stage == stage and not instruction.value.startswith("--from="):
            *sources, target = instruction.value.split()
            found.append((sources, target))
    return found


def copied(stage: str, folder: Path) -> Path:
    """Put into a folder what a stage copies from the checkout into its working directory."""
    for sources, target in copies(stage):
        for source in sources:
            place = ROOT / source
            if place.is_dir():
                shutil.copytree(place, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(place, folder / target / place.name)
    return folder

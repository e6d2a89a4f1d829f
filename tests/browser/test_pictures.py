"""The pictures of the docs: each is shown somewhere, and light enough to be in a repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
IMAGES = ROOT / "docs" / "images"
PAGES = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
MOST_BYTES = 100_000


def shown() -> dict[Path, str]:
    """Return each picture that a page shows, with the words for those who do not see it."""
    found = {}
    for page in PAGES:
        for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8")):
            found[(page.parent / target).resolve()] = words
    return found


def taken() -> set[str]:
    """Return the names of the pictures that the tests take."""
    tests = Path(__file__).parent.glob("test_*.py")
    return {name for test in tests for name in re.findall(r'\bpicture\("([\w-]+)"\)', test.read_text())}


def test_pictures_are_those_that_the_tests_take() -> None:
    assert taken()
    assert {path.stem for path in IMAGES.iterdir()} == taken()


@pytest.mark.parametrize("path", sorted(IMAGES.glob("*.png")), ids=lambda path: path.stem)
def test_each_picture_is_shown_with_words_and_small(path: Path) -> None:
    assert len(shown()[path]) > 20
    assert path.stat().st_size < MOST_BYTES

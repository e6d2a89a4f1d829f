"""The table in the docs is the one that the tests prove."""

from __future__ import annotations

from pathlib import Path

import pytest

from effects.scenarios import SCENARIOS
from effects.table import ROWS, SECTIONS, Section, markdown

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explanation" / "one-effect.md"


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_the_docs_show_the_table(section: Section) -> None:
    page = PAGE.read_text(encoding="utf-8")
    _, _, below = page.partition(f"## {section.title}\n")
    shown = "".join(line for line in below.partition("\n## ")[0].splitlines(keepends=True) if line.startswith("|"))
    assert shown == markdown(section)


def test_every_row_has_a_scenario() -> None:
    assert sorted(SCENARIOS) == sorted(row.key for row in ROWS)

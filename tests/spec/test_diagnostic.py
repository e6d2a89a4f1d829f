from __future__ import annotations

import pytest

from airflow_lake_provider.spec import Diagnostic, in_order, render_diagnostics
from airflow_lake_provider.spec.source import Source


def rendered(text: str, word: str, **more: str) -> list[str]:
    start = text.index(word)
    diagnostic = Source("a.yaml", text).diagnostic(start, start + len(word), code="c", message="m", **more)
    return render_diagnostics([diagnostic]).splitlines()


def test_the_carets_stand_below_the_word() -> None:
    assert rendered("x: 1\nkey: wrong\n", "wrong", hint="do\nthis") == [
        "a.yaml:2:6: error[c]: m",
        "    2 | key: wrong",
        "      |      ^^^^^",
        "      = do",
        "      = this",
    ]


@pytest.mark.parametrize(("before", "pad"), [("\t\t", "\t\t"), ("航班 ", "     "), ("e\u0301 ", "  "), ("\x07", " ")])
def test_the_carets_stand_below_the_word_whatever_is_before_it(before: str, pad: str) -> None:
    lines = rendered(f"{before}wrong", "wrong")
    assert lines[2] == f"      | {pad}^^^^^"
    assert lines[0].startswith(f"a.yaml:1:{len(before) + 1}:")


def test_a_word_over_several_lines_is_marked_on_its_first() -> None:
    assert rendered("a: one\n  two\n", "one\n  two")[2] == "      |    ^^^"


def test_a_long_line_is_clipped_around_the_word() -> None:
    lines = rendered("x" * 5_000 + " wrong " + "y" * 5_000, "wrong")
    assert len(lines[1]) < 200
    assert lines[1][lines[2].index("^") :].startswith("wrong")


def test_the_end_of_a_file_can_be_shown() -> None:
    diagnostic = Source("a", "x: [").diagnostic(4, 5, code="c", message="m")
    assert render_diagnostics([diagnostic]).splitlines()[2] == "      |     ^"


def test_color_is_only_added_when_asked_for() -> None:
    diagnostic = Source("a", "x").diagnostic(0, 1, code="c", message="m", severity="warning")
    assert "\033" not in render_diagnostics([diagnostic])
    colored = render_diagnostics([diagnostic], color=True)
    assert "\033[1;33m" in colored
    assert "warning[c]" in colored


def test_errors_come_first_then_places_and_each_once() -> None:
    def at(line: int, severity: str = "error", file: str = "b.yaml") -> Diagnostic:
        return Diagnostic(file, line, 1, line, 2, severity, "c", "m")

    mixed = [at(1, "warning"), at(9), at(2), at(1, file="a.sql"), at(2)]
    assert in_order(mixed, main_file="b.yaml") == (at(2), at(9), at(1, file="a.sql"), at(1, "warning"))

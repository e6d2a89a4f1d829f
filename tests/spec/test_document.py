"""Nodes know their value and the place of each of its characters."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from airflow_lake_provider.spec.document import Node, compose
from airflow_lake_provider.spec.source import Source


def read(text: str) -> Node:
    root, wrong = compose(Source("t.yaml", text))
    assert wrong == []
    assert root is not None
    return root


def codes(text: str) -> list[str]:
    return [diagnostic.code for diagnostic in compose(Source("t.yaml", text))[1]]


def test_a_document_of_every_kind() -> None:
    text = (
        "a: [1, -2, 0x1f, 0o17, 1.5, 1e3, true, False, null, ~, text]\n"
        "b: {c: 'q', d: \"e\\n\"}\nc:\n- d: |\n    x\n    y\n"
    )
    assert read(text).plain() == {
        "a": [1, -2, 31, 15, 1.5, 1000.0, True, False, None, None, "text"],
        "b": {"c": "q", "d": "e\n"},
        "c": [{"d": "x\ny\n"}],
    }


@pytest.mark.parametrize("word", ["no", "yes", "on", "off", "12:30:00", "2026-01-01", "1_000", "010x", "="])
def test_words_that_yaml_1_1_would_turn_are_text(word: str) -> None:
    assert read(f"a: {word}").plain() == {"a": word}


def test_words_that_yaml_1_1_would_turn_are_keys() -> None:
    assert list(read("{no: a, on: b, 1: c, null: d}").plain()) == ["no", "on", "1", "null"]


@pytest.mark.parametrize("text", ["a: '1'", 'a: "true"', "a: !!str 12", "a: |\n  12\n"])
def test_quoted_words_are_text(text: str) -> None:
    assert isinstance(read(text).plain()["a"], str)


def test_merge_keys_and_aliases() -> None:
    text = "base: &b {x: 1, y: 2}\nother: {<<: *b, y: 3}\nlist: {<<: [*b, {z: 4}]}\nsame: *b\n"
    plain = read(text).plain()
    assert plain["other"] == {"y": 3, "x": 1}
    assert plain["list"] == {"x": 1, "y": 2, "z": 4}
    assert plain["same"] == plain["base"]


SCALARS = {
    "plain": "k: SELECT a FROM b.c",
    "plain over lines": "k: SELECT a\n   FROM b.c\n\n\n   WHERE x\n",
    "single quotes": "k: 'it''s a ''word'' here'",
    "single quotes over lines": "k: 'SELECT ''a''   \n    FROM b.c\n\n  WHERE x'",
    "double quotes": 'k: "caf\\u00e9 \\x41 \\U0001F600 \\"q\\" \\\\ tab\\t end"',
    "double quotes over lines": 'k: "SELECT a \\\n      FROM b.c   \n  WHERE x\n\n  AND y"',
    "literal": "k: |\n  SELECT a\n\n    FROM b.c\n  WHERE x\n",
    "literal, stripped": "k: |-\n  SELECT a\n  FROM b.c",
    "literal, kept": "k: |+\n  SELECT a\n\n\nz: 1\n",
    "literal, indentation told": "k: |2\n    SELECT a\n   FROM b.c\n",
    "literal, first lines empty": "k: |\n\n\n  SELECT a\n  FROM b.c\n",
    "literal, windows line ends": "k: |\r\n  SELECT a\r\n  FROM b.c\r\n",
    "literal with blanks at the end": "k: |\n  SELECT a  \n     \n  FROM b.c\n",
    "folded": "k: >\n  SELECT a\n  FROM b.c\n\n  WHERE x\n",
    "folded, more indented": "k: >-\n  SELECT a\n    , b\n    , c\n  FROM b.c\n\n\n  WHERE x\n",
    "folded, comment behind the header": "k: > # why\n  SELECT a\n  FROM b.c\n",
    "anchored": "k: &q |\n  SELECT a\nj: *q\n",
    "anchored plain": "k: &q SELECT a\n",
    "tagged": "k: !!str 'SELECT a'\n",
    "unicode": "k: |\n  SELECT '航班 ✈ 😀' AS größe\n",
    "in a flow": "k: {l: [SELECT a, 'x''y', \"z\\n\"]}",
    "nested": "a:\n  b:\n    - c: |\n        SELECT a\n        FROM b.c\n",
}


@pytest.mark.parametrize("text", SCALARS.values(), ids=SCALARS.keys())
def test_values_are_what_pyyaml_reads(text: str) -> None:
    assert read(text).plain() == yaml.safe_load(text)


@pytest.mark.parametrize("text", SCALARS.values(), ids=SCALARS.keys())
def test_each_word_of_a_value_is_found_in_the_file(text: str) -> None:
    for _, node in read(text).walk():
        if not isinstance(node.value, str):
            continue
        at = 0
        for word in node.value.split():
            at = node.value.index(word, at)
            start, end = node.span(at, at + len(word))
            at += len(word)
            assert same(text[start:end], word), (word, text[start:end])


def same(raw: str, word: str) -> bool:
    """Escapes are undone by YAML itself, so that our own code is not asked about itself."""
    readings: list[Any] = [raw]
    for form in (f'"{raw}"', f"'{raw}'"):
        try:
            readings.append(yaml.safe_load(form))
        except yaml.YAMLError:
            continue
    return word in readings


WRONG = {
    "a tag": ("a: !!python/name:os.system x", ["yaml-tag"]),
    "a custom tag": ("a: !env X", ["yaml-tag"]),
    "a date tag": ("a: !!timestamp 2020-01-01", ["yaml-tag"]),
    "duplicate keys": ("a: 1\nb: 2\na: 3\n'b': 4\n", ["duplicate-key", "duplicate-key"]),
    "a list as a key": ("? [a]\n: 1\n", ["yaml-key"]),
    "an unknown anchor": ("a: *b", ["unknown-anchor"]),
    "an anchor inside itself": ("a: &a [*a]", ["unknown-anchor"]),
    "a merge of text": ("<<: x", ["yaml-key"]),
    "two documents": ("a: 1\n---\nb: 2\n", ["yaml-syntax"]),
    "a tab": ("a:\n\tb: 1\n", ["yaml-syntax"]),
    "a control character": ("a: \x07", ["yaml-syntax"]),
    "an open bracket": ("a: [1", ["yaml-syntax"]),
}


@pytest.mark.parametrize("text", ["a:\n\tb: 1\n", "a:\n  b: 1\n\tc: 2\n", "\ta: 1\n"])
def test_a_tab_for_indentation_names_the_cure(text: str) -> None:
    _, (found,) = compose(Source("a.yaml", text))
    assert found.hint == "Indent with spaces; YAML takes no tabs."


@pytest.mark.parametrize(("text", "expected"), WRONG.values(), ids=WRONG.keys())
def test_wrong_yaml_is_named(text: str, expected: list[str]) -> None:
    assert codes(text) == expected


def test_an_empty_document_is_none() -> None:
    assert compose(Source("t", "# nothing\n")) == (None, [])


def test_the_pure_python_parser_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("airflow_lake_provider.spec.document._Loader", yaml.SafeLoader)
    for text in SCALARS.values():
        assert read(text).plain() == yaml.safe_load(text)
    for text, expected in WRONG.values():
        assert codes(text) == expected

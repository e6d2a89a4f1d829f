"""A YAML file as a tree of nodes that know their place.

Composed from libyaml's events by our own bounded loop, so that nothing is ever constructed but text, numbers, booleans,
null, lists and mappings: tags are refused, aliases count each time they are used, depth and size have limits, and
duplicate keys are errors. Scalars are typed by YAML 1.2's core schema: ``no``, ``on`` and ``12:30`` are text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from airflow_lake_provider.spec.diagnostic import MAX_MISTAKES, Diagnostic
from airflow_lake_provider.spec.node import LIST, MAPPING, SCALAR, Node
from airflow_lake_provider.spec.source import Source

MAX_DEPTH = 50
MAX_NODES = 50_000

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_MAX_DIGITS = 300
_INT = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_PROPERTIES = re.compile(r"(?:[&!]\S*\s*)*")
_STANDARD_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "seq", "map")
)


class _Stop(Exception):
    """Composing cannot go on; what is wrong is in the diagnostics."""


def compose(source: Source) -> tuple[Node | None, list[Diagnostic]]:
    """Read a file's one document.

    :return: the root (``None`` when the file is empty or nothing can be made of it), and what is wrong with it.
    """
    composer = _Composer(source)
    try:
        composer.loader = _Loader(source.text)
        root = composer.document()
    except _Stop:
        root = None
    except yaml.MarkedYAMLError as exc:
        composer.syntax_error(exc)
        root = None
    except yaml.reader.ReaderError as exc:
        at = exc.position if isinstance(exc.position, int) else 0
        composer.fault(at, at + 1, "yaml-syntax", f"{exc.reason}", "Remove the character, or write it as an escape.")
        root = None
    finally:
        if composer.loader is not None:
            composer.loader.dispose()
    return root, composer.diagnostics


_BEGIN = "Quote a text that begins with this character."
_SYNTAX_HINTS = (
    ("cannot start any token", _BEGIN),
    ("while scanning an alias", _BEGIN),
    ("while scanning an anchor", _BEGIN),
    ("while scanning a block scalar", "Quote a text that begins with `>` or `|`, or begin it on the next line."),
    ("block sequence entries are not allowed", "Write the list's first `-` on a line of its own."),
    ("mapping values are not allowed", "Quote a value that holds a colon and a space, or check the indentation."),
    ("could not find expected ':'", "A key is followed by a colon and a space: `key: value`."),
    ("expected key", "Check the quotes and brackets before this place, and the indentation."),
)
"""What to do about an error of the parser, by a part of its message; the first that fits."""


class _Composer:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.diagnostics: list[Diagnostic] = []
        self.anchors: dict[str, Node] = {}
        self.sizes: dict[int, int] = {}
        self.nodes = 0
        self.loader: Any = None

    def fault(self, start: int, end: int, code: str, message: str, hint: str = "") -> None:
        if len(self.diagnostics) > MAX_MISTAKES:
            raise _Stop
        self.diagnostics.append(self.source.diagnostic(start, end, code=code, message=message, hint=hint))

    def syntax_error(self, exc: yaml.MarkedYAMLError) -> None:
        mark = exc.problem_mark or exc.context_mark
        at = mark.index if mark is not None else 0
        message = exc.problem or "this is not YAML"
        if "quoted scalar" in (exc.context or "") and exc.context_mark is not None:
            at = exc.context_mark.index
            self.fault(at, at + 1, "yaml-syntax", "nothing closes this quote", "Write it again where the text ends.")
            return
        if exc.context:
            where = f" (line {exc.context_mark.line + 1})" if exc.context_mark is not None else ""
            message = f"{message}, {exc.context}{where}"
        hint = next((hint for part, hint in _SYNTAX_HINTS if part in message), "")
        if "while scanning an a" in message and exc.context_mark is not None:  # an alias or an anchor
            at = exc.context_mark.index
        if self.source.text[at : at + 1] == "\t" or "'\\t'" in message:
            hint = "Indent with spaces; YAML takes no tabs."
        elif not self.source.text[at:].strip() and "flow" in message:
            hint = "The file ends here, and something that `[` or `{` opened is not closed."
        self.fault(at, at + 1, "yaml-syntax", message, hint)

    def document(self) -> Node | None:
        loader = self.loader
        while not loader.check_event(yaml.DocumentStartEvent):
            if loader.check_event(yaml.StreamEndEvent):
                return None
            loader.get_event()
        loader.get_event()
        root = self.node(0)
        loader.get_event()
        if loader.check_event(yaml.DocumentStartEvent):
            mark = loader.get_event().start_mark
            self.fault(
                mark.index, mark.index + 3, "yaml-syntax", "a second document begins here", "One spec is one file."
            )
        return root

    def node(self, depth: int) -> Node:
        event = self.loader.get_event()
        start, end = event.start_mark.index, event.end_mark.index
        if isinstance(event, yaml.AliasEvent):
            return self.alias(event, start, end)
        self.count(1, start, end)
        if depth > MAX_DEPTH:
            self.fault(start, end, "too-deep", f"values are nested deeper than {MAX_DEPTH} levels")
            raise _Stop
        is_foreign = event.tag is not None and event.tag not in _STANDARD_TAGS and event.tag != "!"
        if is_foreign:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self.fault(
                start,
                max(end, start + 1),
                "yaml-tag",
                f"the tag `{tag}` is not allowed",
                "A spec holds text, numbers, true, false, null, lists and mappings; nothing in it is run.",
            )
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event, start, end)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(start, depth)
        else:
            node = self.mapping(start, depth)
        node.is_spoilt = is_foreign or any(item.is_spoilt for item in node.items)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def count(self, nodes: int, start: int, end: int) -> None:
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            message = f"the file holds more than {MAX_NODES:,} values, aliases counted each time they are used"
            self.fault(start, end, "too-big", message, "Split the spec.")
            raise _Stop

    def alias(self, event: yaml.AliasEvent, start: int, end: int) -> Node:
        node = self.anchors.get(event.anchor or "")
        if node is None:
            self.fault(start, end, "unknown-anchor", f"no anchor `&{event.anchor}` stands before this alias")
            raise _Stop
        self.count(self.size(node), start, end)
        return node

    def size(self, node: Node) -> int:
        known = self.sizes.get(id(node))
        if known is None:
            below = [*node.items, *(value for _, value in node.entries.values())]
            known = self.sizes[id(node)] = 1 + sum(self.size(child) for child in below)
        return known

    def scalar(self, event: yaml.ScalarEvent, start: int, end: int) -> Node:
        text = event.value
        style = event.style or None
        is_text = style is not None or (event.tag is not None and event.tag.endswith(":str"))
        value = text if is_text else typed(text)
        if event.anchor is not None or event.tag is not None:
            properties = _PROPERTIES.match(self.source.text, start, end)
            start = properties.end() if properties is not None else start
        return Node(SCALAR, self.source, start, end, value=value, text=text, style=style)

    def sequence(self, start: int, depth: int) -> Node:
        node = Node(LIST, self.source, start, start)
        while not self.loader.check_event(yaml.SequenceEndEvent):
            node.items.append(self.node(depth + 1))
        node.end = self.loader.get_event().end_mark.index
        return node

    def mapping(self, start: int, depth: int) -> Node:
        node = Node(MAPPING, self.source, start, start)
        merged: list[Node] = []
        while not self.loader.check_event(yaml.MappingEndEvent):
            key = self.node(depth + 1)
            value = self.node(depth + 1)
            if key.kind != SCALAR:
                is_template = self.source.text[max(key.start - 1, 0) : key.start + 1] == "{{"
                hint = 'Quote a text that begins with a template: `"{{ ... }}"`.' if is_template else ""
                self.fault(*key.first_line(), "yaml-key", "a key is a word, not a list or mapping", hint)
            elif key.text == "<<" and not key.style:
                merged.extend(self.merge_sources(value))
            elif key.text in node.entries:
                first, _ = self.source.position(node.entries[key.text][0].start)
                message = f"the key `{key.text}` stands twice in the same mapping"
                self.fault(key.start, key.end, "duplicate-key", message, f"The first one is on line {first}.")
            else:
                node.entries[key.text] = (key, value)
        for other in merged:
            for name, entry in other.entries.items():
                node.entries.setdefault(name, entry)
        node.end = self.loader.get_event().end_mark.index
        return node

    def merge_sources(self, value: Node) -> Sequence[Node]:
        sources = value.items if value.kind == LIST else [value]
        for source in sources:
            if source.kind != MAPPING:
                self.fault(*source.first_line(), "yaml-key", "`<<` merges mappings; this is none")
        return [source for source in sources if source.kind == MAPPING]


def typed(text: str) -> Any:
    """Return a plain scalar's value by YAML 1.2's core schema.

    >>> [typed(text) for text in ("12", "0x1f", "1.5", "true", "no", "", "2026-01-01")]
    [12, 31, 1.5, True, 'no', None, '2026-01-01']
    """
    if text in _WORDS:
        return _WORDS[text]
    if len(text) > _MAX_DIGITS:
        return text
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text, 0)
    if _FLOAT.fullmatch(text):
        return float(text)
    if _INFINITE.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text

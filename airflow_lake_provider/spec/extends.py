"""``extends``: a spec over another file. Maps merge, lists replace, ``+key`` appends to a list.

Each node keeps the file that it was written in, so a mistake is shown where it stands, whichever file that is.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.diagnostic import Diagnostic
from airflow_lake_provider.spec.document import compose
from airflow_lake_provider.spec.node import LIST, MAPPING, Node
from airflow_lake_provider.spec.problem import did_you_mean, show
from airflow_lake_provider.spec.source import MAX_BYTES, Source, read_source

MAX_CHAIN = 20
_KEY = "extends"


def extended(root: Node, path: Path, *, project_root: Path) -> tuple[Node, list[Diagnostic]]:
    """Return a spec's tree over those of the files that it extends, without the key itself; and what is wrong.

    :param path: the spec's file, as messages name it.
    """
    chain = _Chain(project_root.resolve(), path)
    return chain.over(root, path, (path.resolve(),)), chain.wrong


@dataclass
class _Chain:
    root: Path
    spec: Path
    wrong: list[Diagnostic] = field(default_factory=list)
    length: int = 0

    def over(self, node: Node, path: Path, seen: tuple[Path, ...]) -> Node:
        entry = node.entries.get(_KEY)
        if entry is None:
            return node
        own = node.with_entries({key: value for key, value in node.entries.items() if key != _KEY})
        parent = self.parent(entry[1], path, seen)
        return own if parent is None else self.merged(parent, own)

    def parent(self, value: Node, path: Path, seen: tuple[Path, ...]) -> Node | None:
        name = value.plain()
        if not isinstance(name, str) or not name.strip() or "${" in name:
            what = "holds a variable" if isinstance(name, str) and "${" in name else f"is {show(name)}"
            self.fault(value, "wrong-type", f"`extends` {what}", "expected the path of one YAML file")
            return None
        found = find_file(name, (path.parent, self.spec.parent), self.root)
        if isinstance(found, FileFault):
            self.fault(value, found.code, found.message, found.hint)
            return None
        if found in seen:
            loop = " -> ".join(f"`{shown_beside(file, self.spec)}`" for file in (*seen[seen.index(found) :], found))
            self.fault(value, "cycle", "these files extend each other in a circle", f"{loop} (each extends the next)")
            return None
        if len(seen) >= MAX_CHAIN:
            self.fault(value, "extends", f"more than {MAX_CHAIN} files extend each other", "expected a shorter chain")
            return None
        shown = Path(shown_beside(found, self.spec))
        root = self.read(found, shown, value)
        return None if root is None else self.over(root, shown, (*seen, found))

    def read(self, found: Path, shown: Path, value: Node) -> Node | None:
        try:
            source = Source(str(shown), read_source(found).text)
            self.length += len(source.text)
            if self.length > MAX_BYTES:
                message = f"the files that extend each other hold more than {MAX_BYTES:,} characters together"
                self.fault(value, "too-big", message, "Split them.")
                return None
        except SpecError as exc:
            wrong = [each for each in exc.diagnostics if isinstance(each, Diagnostic)]
            self.wrong.extend(replace(each, file=str(shown)) for each in wrong)
            return None
        except OSError as exc:
            self.fault(value, "missing-file", f"{show(str(shown))} cannot be read: {exc.strerror}", "expected a file")
            return None
        root, wrong = compose(source)
        self.wrong.extend(wrong)
        if root is not None and root.kind != MAPPING:
            message, hint = f"the file holds {show(root.plain())}", "expected a mapping: the keys of a spec"
            span = root.first_line()
            self.wrong.append(source.diagnostic(*span, code="wrong-type", message=message, hint=hint))
            return None
        return root

    def merged(self, base: Node | None, over: Node) -> Node:
        """Merge two values, the second one's word counting."""
        if over.kind != MAPPING:
            return over
        below = base.entries if base is not None and base.kind == MAPPING else {}
        entries = dict(below)
        for name, (key, value) in over.entries.items():
            if name.startswith("+") and len(name) > 1:
                bare = name[1:]
                if bare in over.entries:
                    hint = f"`{bare}` replaces the list, `{name}` appends to it: expected one of them"
                    self.fault(key, "wrong-key", f"`{name}` stands beside `{bare}`", hint)
                    continue
                entries[bare] = (key, self.appended(below.get(bare, (None, None))[1], value))
            else:
                entries[name] = (key, self.merged(below.get(name, (None, None))[1], value))
        return over.with_entries(entries)

    def appended(self, base: Node | None, value: Node) -> Node:
        if MAPPING in (value.kind, base.kind if base is not None else LIST):
            self.fault(value, "wrong-type", "only a list can be appended to", "Mappings merge by themselves.")
            return replace(value, is_spoilt=True)
        return Node(LIST, value.source, value.start, value.end, items=[*_items(base), *_items(value)])

    def fault(self, node: Node, code: str, message: str, hint: str) -> None:
        self.wrong.append(node.source.diagnostic(*node.first_line(), code=code, message=message, hint=hint))


def _items(node: Node | None) -> list[Node]:
    if node is None or (node.kind != LIST and node.value is None):
        return []
    return node.items if node.kind == LIST else [node]


@dataclass(frozen=True)
class FileFault:
    """Why a file that a spec names cannot be had."""

    code: str
    message: str
    hint: str


def find_file(name: str, folders: tuple[Path, ...], root: Path) -> Path | FileFault:
    """Find a file that a spec names: from each folder, then from the project's root; never outside of the project.

    :param root: the project's root, resolved.
    """
    bases = tuple(dict.fromkeys((*(folder.resolve() for folder in folders), root)))
    candidates = []
    for base in bases:
        try:
            candidate = (base / name).resolve()
        except (OSError, ValueError):  # a zero byte, a name too long, a loop of links
            return FileFault("path", f"{show(name)} is no path", "expected the path of a file")
        if candidate.is_relative_to(root):
            candidates.append(candidate)
    if not candidates:
        return FileFault("path", f"{show(name)} lies outside of the project", "expected a file inside of the project")
    for candidate in candidates:
        try:
            if candidate.is_file():
                return candidate
        except OSError:
            continue
    ending = Path(name).suffix
    alike = itertools.islice(bases[0].rglob(f"*{ending}") if re.fullmatch(r"\.\w+", ending) else (), 1000)
    near = did_you_mean(name, (file.relative_to(bases[0]).as_posix() for file in alike))
    hint = "expected a path from the spec's folder, or from the project's root"
    return FileFault("missing-file", f"there is no file {show(name)}", f"{hint}\n{near}".strip())


def shown_beside(path: Path, spec: Path) -> str:
    """Name a file as the spec was named: from the same place.

    :param path: resolved.
    """
    folder = spec.parent
    resolved = folder.resolve()
    for up, base in enumerate((resolved, *resolved.parents)):
        if path.is_relative_to(base) and up <= len(folder.parts):
            plain = folder
            for _ in range(up):
                plain = plain.parent
            return str(plain / path.relative_to(base))
    return str(path)

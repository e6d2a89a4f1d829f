"""What was found wrong in a spec so far, and the tree in which it is located."""

from __future__ import annotations

from airflow_lake_provider.exceptions import SpecError
from airflow_lake_provider.spec.diagnostic import MAX_MISTAKES, Diagnostic
from airflow_lake_provider.spec.node import MAPPING, Node
from airflow_lake_provider.spec.problem import Problem
from airflow_lake_provider.spec.reading import as_error, locate
from airflow_lake_provider.spec.source import Source


class Findings:
    """Collects mistakes while a spec is read.

    ``root`` is the tree as it is known by then: with what it extends, overrides, variables, and in the end with all
    that each table inherits. Each problem is located in it, so it is shown in the file that holds the value.
    """

    def __init__(self, source: Source) -> None:
        self.source = source
        self.root: Node = Node(MAPPING, source, 0, 0)
        self.diagnostics: list[Diagnostic] = []

    def add(self, *problems: Problem) -> None:
        """Locate problems in the tree and keep them."""
        for problem in problems:
            self.note(locate(problem, self.root))

    def note(self, *diagnostics: Diagnostic) -> None:
        """Keep what was found; where that is more than anybody reads, it is time to say so.

        :raises SpecError: it is.
        """
        self.diagnostics.extend(diagnostics)
        if len(self.diagnostics) > MAX_MISTAKES:
            raise self.error()

    def error(self) -> SpecError:
        """Return the exception that carries all of them."""
        return as_error(self.diagnostics, self.source.name)

    @property
    def has_errors(self) -> bool:
        """Whether anything keeps the spec from being used."""
        return any(diagnostic.is_error for diagnostic in self.diagnostics)

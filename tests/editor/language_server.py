"""A client of the YAML language server, the program that editors use: LSP over its standard input and output."""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
from pathlib import Path
from queue import Empty, Queue
from types import TracebackType
from typing import Any, Self

SECONDS = 30


class LanguageServer:
    """One server, for a folder of files; it never leaves this machine.

    :param program: the server's script.
    """

    def __init__(self, node: str, program: Path, folder: Path) -> None:
        self.folder = folder
        self._ids = itertools.count(1)
        self._answers: Queue[dict[str, Any]] = Queue()
        self._diagnostics: dict[str, Queue[list[dict[str, Any]]]] = {}
        self._process = subprocess.Popen(
            [node, str(program), "--stdio"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder
        )
        threading.Thread(target=self._read, daemon=True).start()

    def __enter__(self) -> Self:
        # Without `schemaStore` off it would ask the network which schemas there are.
        settings = {"yaml": {"schemaStore": {"enable": False}, "validate": True, "hover": True, "completion": True}}
        self.ask(
            "initialize",
            processId=None,
            rootUri=self.folder.as_uri(),
            workspaceFolders=[{"uri": self.folder.as_uri(), "name": "project"}],
            initializationOptions={},
            capabilities={"textDocument": {"completion": {"completionItem": {"snippetSupport": True}}}},
        )
        self.tell("initialized")
        self.tell("workspace/didChangeConfiguration", settings=settings)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._process.kill()
        self._process.wait()

    def open(self, path: Path, text: str) -> list[dict[str, Any]]:
        """Open a file with this text, as an editor does, and return the server's diagnostics of it."""
        found = self._diagnostics[path.as_uri()] = Queue()
        document = {"uri": path.as_uri(), "languageId": "yaml", "version": 1, "text": text}
        self.tell("textDocument/didOpen", textDocument=document)
        return self._wait(found)

    def complete(self, path: Path, line: int, column: int) -> dict[str, dict[str, Any]]:
        """Return what the server proposes at a place (from 0), by label."""
        answer = self.ask("textDocument/completion", **self._at(path, line, column))
        items = answer["items"] if isinstance(answer, dict) else answer
        return {item["label"]: item for item in items or []}

    def hover(self, path: Path, line: int, column: int) -> str:
        """Return what the server shows for the word at a place (from 0)."""
        answer = self.ask("textDocument/hover", **self._at(path, line, column))
        return str(answer["contents"]["value"]) if answer else ""

    def ask(self, method: str, **params: Any) -> Any:
        """Send a request and return its result."""
        number = next(self._ids)
        self._send({"id": number, "method": method, "params": params})
        while (answer := self._wait(self._answers))["id"] != number:
            pass
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def tell(self, method: str, **params: Any) -> None:
        """Send a notification."""
        self._send({"method": method, "params": params})

    @staticmethod
    def _at(path: Path, line: int, column: int) -> dict[str, Any]:
        return {"textDocument": {"uri": path.as_uri()}, "position": {"line": line, "character": column}}

    def _wait(self, queue: Queue[Any]) -> Any:
        try:
            return queue.get(timeout=SECONDS)
        except Empty:
            raise AssertionError(f"the language server said nothing for {SECONDS} seconds") from None

    def _send(self, message: dict[str, Any]) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        assert self._process.stdin is not None
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._process.stdin.flush()

    def _read(self) -> None:
        stream = self._process.stdout
        assert stream is not None
        length = 0
        while line := stream.readline():
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
            elif not line.strip():
                self._received(json.loads(stream.read(length)))

    def _received(self, message: dict[str, Any]) -> None:
        if message.get("method") == "textDocument/publishDiagnostics":
            queue = self._diagnostics.get(message["params"]["uri"])
            if queue is not None:
                queue.put(message["params"]["diagnostics"])
        elif "id" in message and "method" in message:
            self._send({"id": message["id"], "result": self._settings(message)})
        elif "id" in message:
            self._answers.put(message)

    @staticmethod
    def _settings(message: dict[str, Any]) -> Any:
        """Answer what the server asks its editor: it has no settings of its own."""
        if message["method"] == "workspace/configuration":
            return [{} for _ in message["params"]["items"]]
        return None

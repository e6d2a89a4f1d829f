"""The job folder: where the two planes meet.

``<job_root>/<dag_id>/<run_id>/<task_id>[/<map_index>]/g<generation>-s<submission>/`` holds ``request.json`` (before
submit), ``handle.json`` (right after it), ``report.json`` (the job's) and ``delivered`` (the caller's last word).
``<job_root>/~code/<sha256>.zip`` is the code of Python transforms, written once for all jobs that run it.
A root is a plain path, ``file://`` and a path, or ``s3://bucket/prefix``. S3 clients are handed in.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, List, Optional, Protocol, Tuple

from airflow_lake_provider.exceptions import ProtocolError
from airflow_lake_provider.protocol.request import TaskIdentity

REQUEST = "request.json"
HANDLE = "handle.json"
PROCESS = "process.json"
REPORT = "report.json"
DELIVERED = "delivered"
CANCELLED = "cancelled"
"""Left by whoever has told an engine to stop the run, before it has ended."""

# File systems take 255 bytes; a run id has up to 250 characters, and an escape is three.
_LONGEST_SEGMENT, _SHORTENED = 250, 150
_SUBMISSION = re.compile(r"g(\d+)-s(\d+)")


class Store(Protocol):
    """Small documents by URI; a call raises ``OSError`` or the client's own error when the place is out of reach."""

    def read(self, uri: str) -> Optional[bytes]:
        """Return the whole document, ``None`` when there is none."""

    def write(self, uri: str, data: bytes) -> None:
        """Replace the document in one step: a reader sees the old one or the new one."""

    def create(self, uri: str, data: bytes) -> bool:
        """Write the document unless it is there; of many callers at once exactly one gets ``True``."""

    def delete(self, uri: str) -> None:
        """Remove the document; nothing happens when there is none."""

    def documents(self, uri: str) -> List[str]:
        """Return the names of the documents right below, sorted; none where there is no such place."""

    def folders(self, uri: str) -> List[str]:
        """Return the names of the folders right below, sorted; none where there is no such place."""


class LocalStore:
    """Documents on a file system that is mounted here.

    >>> store, place = LocalStore(), tempfile.mkdtemp()
    >>> store.create(f"file://{place}/a/b", b"1"), store.create(f"file://{place}/a/b", b"2")
    (True, False)
    >>> store.read(f"file://{place}/a/b"), store.folders(place)
    (b'1', ['a'])
    """

    def read(self, uri: str) -> Optional[bytes]:
        try:
            return local_path(uri).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, uri: str, data: bytes) -> None:
        path = local_path(uri)
        part = self._part(path, data)
        os.replace(part, path)

    def create(self, uri: str, data: bytes) -> bool:
        path = local_path(uri)
        part = self._part(path, data)
        try:
            os.link(part, path)
        except FileExistsError:
            return False
        finally:
            os.unlink(part)
        return True

    def delete(self, uri: str) -> None:
        try:
            local_path(uri).unlink()
        except FileNotFoundError:
            return

    def documents(self, uri: str) -> List[str]:
        try:
            with os.scandir(local_path(uri)) as entries:
                # A name with a leading dot is a document that is being written.
                return sorted(e.name for e in entries if e.is_file() and not e.name.startswith("."))
        except FileNotFoundError:
            return []

    def folders(self, uri: str) -> List[str]:
        try:
            with os.scandir(local_path(uri)) as entries:
                return sorted(entry.name for entry in entries if entry.is_dir())
        except FileNotFoundError:
            return []

    @staticmethod
    def _part(path: Path, data: bytes) -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(part, 0o644)
        except BaseException:
            os.unlink(part)
            raise
        return part


class S3Store:
    """Documents in S3, by a boto3 client that is handed in.

    ``create`` uses a conditional put (``If-None-Match: *``), which S3 has had since 2024-08.
    """

    def __init__(self, client: Any) -> None:
        self._client = client

    def read(self, uri: str) -> Optional[bytes]:
        bucket, key = s3_location(uri)
        try:
            body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        except self._client.exceptions.NoSuchKey:
            return None
        return body

    def write(self, uri: str, data: bytes) -> None:
        bucket, key = s3_location(uri)
        self._client.put_object(Bucket=bucket, Key=key, Body=data)

    def create(self, uri: str, data: bytes) -> bool:
        bucket, key = s3_location(uri)
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=data, IfNoneMatch="*")
        except self._client.exceptions.ClientError as exc:
            if exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in (409, 412):
                return False
            raise
        return True

    def delete(self, uri: str) -> None:
        bucket, key = s3_location(uri)
        self._client.delete_object(Bucket=bucket, Key=key)

    def documents(self, uri: str) -> List[str]:
        prefix, pages = self._list(uri)
        names = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        return sorted(name[len(prefix) :] for name in names if name != prefix)

    def folders(self, uri: str) -> List[str]:
        prefix, pages = self._list(uri)
        names = [common["Prefix"] for page in pages for common in page.get("CommonPrefixes", ())]
        return sorted(name[len(prefix) :].rstrip("/") for name in names)

    def _list(self, uri: str) -> Tuple[str, Any]:
        bucket, key = s3_location(uri)
        prefix = key.rstrip("/") + "/" if key else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
        return prefix, pages


def open_store(uri: str, *, s3_client: Optional[Callable[[], Any]] = None) -> Store:
    """Return the store that keeps ``uri``.

    :param s3_client: makes the boto3 client when an ``s3://`` place is opened; by default boto3's own.
    :raises ProtocolError: no store is known for the scheme.
    """
    scheme = uri.partition("://")[0] if "://" in uri else "file"
    if scheme == "file":
        return LocalStore()
    if scheme != "s3":
        raise ProtocolError(f"{uri}: a job folder lives on file:// or s3://, not {scheme}://")
    if s3_client is not None:
        return S3Store(s3_client())
    try:
        import boto3
    except ImportError as exc:
        raise ProtocolError(f"{uri} needs boto3: pip install 'airflow-lake-provider[amazon]'") from exc
    return S3Store(boto3.client("s3"))


def local_path(uri: str) -> Path:
    """Return the path of a ``file://`` URI or of a plain path; the text after ``file://`` is taken as it is."""
    return Path(uri[len("file://") :] if uri.startswith("file://") else uri)


def s3_location(uri: str) -> Tuple[str, str]:
    """Split ``s3://bucket/key``."""
    bucket, _, key = uri[len("s3://") :].partition("/")
    return bucket, key


def code_uri(root: str, sha256: str) -> str:
    """Return where the code with this hash is kept; no DAG's folder can have that name, for ``segment`` escapes ``~``.

    >>> code_uri("s3://lake/jobs/", "00ff")
    's3://lake/jobs/~code/00ff.zip'
    """
    return f"{root.rstrip('/')}/~code/{sha256}.zip"


def segment(name: str) -> str:
    """Return ``name`` as one path segment for every store, shell and Hadoop path; different names stay different.

    >>> segment("scheduled__2026-01-01T00:00:00+00:00")
    'scheduled__2026-01-01T00~3A00~3A00~2B00~3A00'
    >>> segment(".."), segment("a/b")
    ('~2E~2E', 'a~2Fb')
    """
    safe = re.sub(r"[^A-Za-z0-9_.=-]", lambda m: "".join(f"~{byte:02X}" for byte in m[0].encode("utf-8")), name)
    if len(safe) > _LONGEST_SEGMENT:
        return f"{safe[:_SHORTENED]}~~{hashlib.sha256(name.encode('utf-8')).hexdigest()}"
    return safe.replace(".", "~2E") if set(safe) <= {"."} else safe


@dataclass(frozen=True)
class JobFolder:
    """The folder of one start of one task run."""

    root: str
    task: TaskIdentity

    @property
    def task_uri(self) -> str:
        """The folder that holds all starts of this task run."""
        parts = [
            self.root.rstrip("/"),
            segment(self.task.dag_id),
            segment(self.task.run_id),
            segment(self.task.task_id),
        ]
        if self.task.map_index >= 0:
            parts.append(str(self.task.map_index))
        return "/".join(parts)

    @property
    def uri(self) -> str:
        """The folder of this start."""
        return f"{self.task_uri}/g{self.task.generation}-s{self.task.submission}"

    def document(self, name: str) -> str:
        """The URI of one document of the folder."""
        return f"{self.uri}/{name}"


def submissions(store: Store, task_uri: str) -> List[Tuple[int, int]]:
    """Return all (generation, submission) that a task run's folder holds, in order."""
    matches = (_SUBMISSION.fullmatch(name) for name in store.folders(task_uri))
    return sorted((int(match[1]), int(match[2])) for match in matches if match)

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_lake_provider.exceptions import ProtocolError
from airflow_lake_provider.protocol import (
    JobFolder,
    LocalStore,
    S3Store,
    Store,
    TaskIdentity,
    open_store,
    submissions,
)
from airflow_lake_provider.protocol.store import segment


@pytest.fixture(scope="module")
def s3() -> Iterator[Any]:
    """A boto3 client of a real HTTP server that speaks S3."""
    import boto3
    from moto.server import ThreadedMotoServer

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=port, verbose=False)
    server.start()
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="lake")
    yield client
    server.stop()


@pytest.fixture(params=["path", "file", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, str]:
    if request.param == "path":
        return LocalStore(), str(tmp_path)
    if request.param == "file":
        return LocalStore(), f"file://{tmp_path}"
    return S3Store(request.getfixturevalue("s3")), f"s3://lake/{tmp_path.name}"


def test_document_that_is_not_there_is_none(place: tuple[Store, str]) -> None:
    store, root = place
    assert store.read(f"{root}/a/report.json") is None


def test_last_write_wins(place: tuple[Store, str]) -> None:
    store, root = place
    for text in (b"one", b"two", b""):
        store.write(f"{root}/a/report.json", text)
        assert store.read(f"{root}/a/report.json") == text


def test_create_never_overwrites(place: tuple[Store, str]) -> None:
    store, root = place
    assert store.create(f"{root}/a/delivered", b"first")
    assert not store.create(f"{root}/a/delivered", b"second")
    assert store.read(f"{root}/a/delivered") == b"first"


def test_of_many_creators_one_wins(place: tuple[Store, str]) -> None:
    store, root = place
    for race in range(5):
        wins: list[bool] = []
        start = threading.Barrier(8)

        def create(race: int = race, wins: list[bool] = wins, start: threading.Barrier = start) -> None:
            start.wait()
            wins.append(store.create(f"{root}/race-{race}/request.json", b"{}"))

        threads = [threading.Thread(target=create) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wins.count(True) == 1


def test_listing_tells_folders_from_documents(place: tuple[Store, str]) -> None:
    store, root = place
    for name in ("b/x", "a/y/z", "c.json", "a.json"):
        store.write(f"{root}/top/{name}", b"")
    assert store.folders(f"{root}/top") == ["a", "b"]
    assert store.documents(f"{root}/top") == ["a.json", "c.json"]
    assert store.folders(f"{root}/nowhere") == []
    assert store.documents(f"{root}/nowhere") == []


def test_delete_takes_a_document_away_and_minds_no_absence(place: tuple[Store, str]) -> None:
    store, root = place
    store.write(f"{root}/a/x", b"1")
    store.delete(f"{root}/a/x")
    store.delete(f"{root}/a/x")
    assert store.read(f"{root}/a/x") is None
    assert store.create(f"{root}/a/x", b"2")


def test_listing_goes_past_a_page_of_s3(s3: Any) -> None:
    store = S3Store(s3)
    for number in range(1003):
        s3.put_object(Bucket="lake", Key=f"many/{number:04}/request.json", Body=b"")
    assert len(store.folders("s3://lake/many")) == 1003


def test_reader_sees_the_old_document_or_the_new_one(tmp_path: Path) -> None:
    store, uri = LocalStore(), str(tmp_path / "report.json")
    documents = [bytes([65 + n]) * 200_000 for n in range(2)]
    store.write(uri, documents[0])
    done = threading.Event()

    def write() -> None:
        until = time.monotonic() + 0.5
        while time.monotonic() < until:
            for document in documents:
                store.write(uri, document)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        assert store.read(uri) in documents
    writer.join()
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_store_is_chosen_by_the_uri(s3: Any) -> None:
    assert isinstance(open_store("/lake/jobs"), LocalStore)
    assert isinstance(open_store("file:///lake/jobs"), LocalStore)
    assert isinstance(open_store("s3://lake/jobs", s3_client=lambda: s3), S3Store)
    with pytest.raises(ProtocolError, match="gs://lake: a job folder lives on file:// or s3://, not gs://"):
        open_store("gs://lake")


def test_s3_error_other_than_absence_is_raised(s3: Any) -> None:
    with pytest.raises(s3.exceptions.ClientError):
        S3Store(s3).write("s3://no-such-bucket/x", b"")


# Folders


def test_job_folder_is_where_the_contract_says() -> None:
    task = TaskIdentity("flights", "manual__2026-01-01T00:00:00+00:00", "silver__flights", generation=3, submission=2)
    folder = JobFolder("s3://lake/jobs/", task)
    assert folder.uri == "s3://lake/jobs/flights/manual__2026-01-01T00~3A00~3A00~2B00~3A00/silver__flights/g3-s2"
    assert folder.document("report.json") == f"{folder.uri}/report.json"
    mapped = JobFolder("/jobs", TaskIdentity("d", "r", "t", map_index=0))
    assert mapped.uri == "/jobs/d/r/t/0/g1-s1"


def test_submissions_are_counted_as_numbers(place: tuple[Store, str]) -> None:
    store, root = place
    for name in ("g1-s10", "g1-s9", "g2-s1", "0", "g1-sx", "notes"):
        store.write(f"{root}/t/{name}/request.json", b"")
    assert submissions(store, f"{root}/t") == [(1, 9), (1, 10), (2, 1)]


@pytest.mark.parametrize("name", ["a/b", "..", "a b", "ä", "a~b", "%41", "s3://x", "a:b+c", "."])
def test_segment_is_one_safe_name_and_keeps_names_apart(name: str) -> None:
    safe = segment(name)
    assert set(safe) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.=-~")
    assert set(safe) != {"."}
    assert re.sub(rb"~(..)", lambda m: bytes.fromhex(m[1].decode()), safe.encode()).decode() == name


def test_segment_of_a_long_name_fits_a_file_system(tmp_path: Path) -> None:
    one, other = segment("ü" * 250), segment("ü" * 249 + "u")
    assert one != other
    (tmp_path / one).mkdir()
    assert segment("a" * 250) == "a" * 250


def test_document_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        LocalStore().write(f"{tmp_path}/request.json", b"{}")
    assert list(tmp_path.iterdir()) == []

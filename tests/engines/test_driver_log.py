from __future__ import annotations

import logging
from pathlib import Path

import pytest

from airflow_lake_provider.engines import driver_log
from airflow_lake_provider.engines.driver_log import DriverLog


@pytest.fixture
def records(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def seen(records: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(record.levelname, record.getMessage()) for record in records.records]


def test_lines_get_the_level_that_a_reader_needs(tmp_path: Path, records: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "driver.log"
    path.write_text(
        'Setting default log level to "WARN".\n'
        "26/11/21 09:33:05 WARN NativeCodeLoader: Unable to load native-hadoop library\n"
        "lake: step audited silver.flights\n"
        "lake: silver.flights: merged 842 rows\n"
        "\n"
        "26/11/21 09:33:07 ERROR Executor: Exception in task 0.0 in stage 1.0 (TID 1)\n"
        "java.lang.RuntimeException: boom\n"
        "\tat scala.Option.get(Option.scala:1)\n"
    )
    DriverLog(path, logging.getLogger("lake")).follow(final=True)
    assert seen(records) == [
        ("DEBUG", 'Setting default log level to "WARN".'),
        ("DEBUG", "26/11/21 09:33:05 WARN NativeCodeLoader: Unable to load native-hadoop library"),
        ("DEBUG", "lake: step audited silver.flights"),
        ("INFO", "silver.flights: merged 842 rows"),
        ("ERROR", "Spark: Executor: Exception in task 0.0 in stage 1.0 (TID 1)"),
        ("DEBUG", "java.lang.RuntimeException: boom"),
        ("DEBUG", "\tat scala.Option.get(Option.scala:1)"),
    ]


def test_half_a_line_waits_for_its_end(tmp_path: Path, records: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "driver.log"
    log = DriverLog(path, logging.getLogger("lake"))
    log.follow()  # the driver has not written anything yet
    with path.open("wb", buffering=0) as file:
        file.write("lake: Zür".encode()[:-1])
        log.follow()
        assert seen(records) == []
        file.write("Zür".encode()[-1:] + b"ich\nlake: last")
        log.follow()
    assert seen(records) == [("INFO", "Zürich")]
    log.follow(final=True)
    assert seen(records)[-1] == ("INFO", "last")


def test_progress_is_told_now_and_then(
    tmp_path: Path, records: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(driver_log.time, "monotonic", lambda: clock[0])
    path = tmp_path / "driver.log"
    log = DriverLog(path, logging.getLogger("lake"))
    for second in range(0, 25, 5):
        clock[0] = float(second)
        with path.open("a") as file:
            file.write(f"lake-progress: silver.flights {second}/200 tasks, 1 active stage\n")
        log.follow()
    assert [text.split()[1] for _, text in seen(records)] == ["0/200", "10/200", "20/200"]

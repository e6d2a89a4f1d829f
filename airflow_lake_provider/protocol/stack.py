"""Stack traces of the data plane, condensed to cause and place.

A failed Spark job shows a Python trace, a py4j message and a Java trace with several causes: hundreds of lines, of
which a person needs two. Pure functions of text.
"""

from __future__ import annotations

import re
from typing import List, Optional, Tuple

_JAVA_FRAME = re.compile(r"^\s*at ([\w$.<>/]+)\(([^)]*)\)\s*$")
_JAVA_ERROR = re.compile(r"^(?:Caused by: |: )?((?:[a-z_][\w$]*\.)+[A-Z][\w$]*)(?:: (.*))?$")
_PYTHON_ERROR = re.compile(
    r"^((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Warning|Exit|Interrupt|Failed|Changed|Lost)?)(?:: (.*))?$"
)
_PYTHON_FRAME = re.compile(r'^\s*File "([^"]+)", line (\d+)(?:, in (\S+))?')
_FROM_WORKER = re.compile(r"(?:[a-z_]\w*\.)*PythonException\b")
_PY4J = re.compile(r"^(?:py4j\.protocol\.)?Py4JJavaError: ")

# Frames of these say how Spark works, not what went wrong.
_MACHINERY_JAVA = (
    "java.", "javax.", "jdk.", "sun.", "scala.", "py4j.", "com.sun.",
    "org.apache.spark.", "org.sparkproject.", "org.apache.iceberg.relocated.", "org.apache.iceberg.util.Tasks",
)  # fmt: skip
_MACHINERY_PYTHON = ("/pyspark/", "/py4j/", "<frozen", "/runpy.py", "/threading.py", "/concurrent/futures/")
_LONGEST = 600


def condense(stack_text: str) -> str:
    r"""Return the innermost cause of a trace and the first place that is not machinery, in one line.

    Java traces (also inside a py4j error) give the last ``Caused by`` and its first frame outside of Spark and the
    JDK; Python traces give the error and the last frame outside of pyspark, which is also the place of a Java error
    that has none of its own. Text without any trace gives its first line.

    >>> condense('''Traceback (most recent call last):
    ...   File "/job/orders.py", line 7, in build
    ...     return df.select(total / count)
    ... ZeroDivisionError: division by zero''')
    'ZeroDivisionError: division by zero (at orders.py:7 in build)'
    >>> condense('''org.apache.spark.SparkException: Job aborted due to stage failure
    ...     at org.apache.spark.scheduler.DAGScheduler.abortStage(DAGScheduler.scala:2785)
    ... Caused by: java.io.FileNotFoundException: /lake/part-0.parquet
    ...     at java.io.FileInputStream.open0(Native Method)
    ...     at org.apache.iceberg.hadoop.HadoopInputFile.newStream(HadoopInputFile.java:183)''')
    'FileNotFoundException: /lake/part-0.parquet (at HadoopInputFile.java:183)'
    """
    lines = stack_text.strip().splitlines()
    if not lines:
        return ""
    cause, place = _java_cause(lines)
    if cause is None or _FROM_WORKER.match(cause):
        # Spark hands on the trace of a Python worker as the message of its own error.
        cause, place = _python_cause(lines) or cause, None
    if cause is None:
        return _shorten(lines[0].strip())
    place = place or _python_place(lines)
    return f"{_shorten(cause)} (at {place})" if place else _shorten(cause)


def _java_cause(lines: List[str]) -> Tuple[Optional[str], Optional[str]]:
    """Find the innermost error whose frames are Java's; with several traces in a text the last chain decides."""
    frames_seen = any(_JAVA_FRAME.match(line) for line in lines)
    if not frames_seen:
        return None, None
    start = None
    for number, line in enumerate(lines):
        match = _JAVA_ERROR.match(_PY4J.sub("", line))
        if match and (_has_frame_below(lines, number) or line.startswith("Caused by: ")):
            start = number
    if start is None:
        return None, None
    message = [re.sub(r"^(?:Caused by: |: )", "", _PY4J.sub("", lines[start]))]
    place = None
    for line in lines[start + 1 :]:
        frame = _JAVA_FRAME.match(line)
        if frame:
            if place is None and not frame[1].startswith(_MACHINERY_JAVA) and ":" in frame[2]:
                place = frame[2]
            continue
        if re.match(
            r"^\s*(?:\.\.\. \d+ (?:more|common frames omitted)|Suppressed: |Caused by: |Driver stacktrace:)", line
        ):
            break
        if not _ends_message(line) and place is None and len(message) < 4:
            message.append(line.strip())
        else:
            break
    return " ".join(message), place


def _has_frame_below(lines: List[str], number: int) -> bool:
    """Whether the line is the head of a Java trace: its frames begin within the few lines a message may take."""
    return any(_JAVA_FRAME.match(line) for line in lines[number + 1 : number + 12])


def _ends_message(line: str) -> bool:
    """Spark appends the logical plan and the query to its messages; a person needs the sentence only."""
    stripped = line.strip()
    return not stripped or stripped.startswith(("'", "+-", "==", "Project", "Aggregate", "Traceback"))


def _python_cause(lines: List[str]) -> Optional[str]:
    """Find the error below the last frame; its message may begin on the next line."""
    frames = [number for number, line in enumerate(lines) if _PYTHON_FRAME.match(line)]
    if not frames:
        return None
    for number in range(frames[-1] + 1, len(lines)):
        line = lines[number]
        if line[:1].isspace() or not _PYTHON_ERROR.match(line):
            continue
        if line.rstrip().endswith(":"):
            line = line.rstrip() + " " + next((text.strip() for text in lines[number + 1 :] if text.strip()), "")
        return line.strip()
    return None


def _python_place(lines: List[str]) -> Optional[str]:
    """Name the last frame of a Python trace that is not machinery."""
    frames = [match for match in map(_PYTHON_FRAME.match, lines) if match]
    own = [match for match in frames if not any(part in match[1] for part in _MACHINERY_PYTHON)]
    if not own:
        return None
    path, line, function = own[-1].groups()
    place = f"{path.rsplit('/', 1)[-1]}:{line}"
    return f"{place} in {function}" if function and function not in ("<module>", "<lambda>") else place


def _shorten(cause: str) -> str:
    """Keep the sentence: the error's bare name, no query context of Spark's, at most some hundred characters."""
    cause = re.sub(r"^(?:[A-Za-z_][\w$]*\.)+(?=[A-Z]\w*(?::|$))", "", cause)
    cause = re.split(r"\s*(?:== SQL|SQLSTATE: \w+$|; line \d+ pos \d+;)", cause)[0].strip()
    if len(cause) <= _LONGEST:
        return cause
    return cause[: _LONGEST - 3].rstrip() + "..."

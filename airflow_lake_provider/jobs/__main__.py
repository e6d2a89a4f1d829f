"""The job's entry point: ``python -m airflow_lake_provider.jobs --request-uri URI``.

Exit codes: 0 the report says what happened (failed checks included), 1 the job failed, 2 the request cannot be read.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from typing import List, Optional

from airflow_lake_provider.exceptions import ProtocolError
from airflow_lake_provider.jobs.application import Application
from airflow_lake_provider.protocol import JobRequest, from_json, open_store


def main(arguments: Optional[List[str]] = None) -> int:
    """Run one request and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m airflow_lake_provider.jobs", description=__doc__)
    parser.add_argument("--request-uri", required=True, help="where request.json lies: a path, file:// or s3://")
    uri: str = parser.parse_args(arguments).request_uri
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        store = open_store(uri)
        data = store.read(uri)
        if data is None:
            raise ProtocolError(f"There is no request at {uri}")
        request = from_json(JobRequest, data, source=uri)
    except Exception as exc:  # S3's client has errors of its own
        reason = str(exc) if isinstance(exc, ProtocolError) else f"The request {uri} cannot be read: {exc}"
        print(f"lake: {reason}", file=sys.stderr, flush=True)
        return 2
    try:
        return Application(request, store).run()
    except Exception as exc:  # the report itself could not be written: the log is all that is left to say it
        print(f"lake: the report cannot be written to {request.report_uri}: {exc}", file=sys.stderr, flush=True)
        return 1


if __name__ == "__main__":
    sys.exit(main())

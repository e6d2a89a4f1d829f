"""Zips whose bytes depend on nothing but what is in them: their hash names their content."""

from __future__ import annotations

import io
import zipfile
from typing import Mapping

# The zip format has no year before 1980; a fixed time makes equal contents give equal bytes.
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def zip_bytes(entries: Mapping[str, bytes]) -> bytes:
    """Return a zip of files by their names; a name that ends with ``/`` is a folder.

    Nothing is compressed: what a compressor makes of the same bytes differs from one build of zlib to the next.

    >>> zip_bytes({"b.py": b"", "a.py": b"1"}) == zip_bytes({"a.py": b"1", "b.py": b""})
    True
    """
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, date_time=_LONG_AGO)
            entry.create_system = 3  # Unix, wherever it is made
            entry.external_attr = (0o40755 << 16 | 0x10) if name.endswith("/") else 0o644 << 16
            archive.writestr(entry, entries[name])
    return buffer.getvalue()

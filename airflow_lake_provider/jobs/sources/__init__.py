"""Where the rows of an ingest come from: files, listed and read."""

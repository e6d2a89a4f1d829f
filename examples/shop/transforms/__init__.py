"""The shop's transforms."""

"""How the shop writes amounts."""

from pyspark.sql import functions as F


def rounded(amount):
    """Return an amount with two digits."""
    return F.round(amount, 2).cast("decimal(12,2)")

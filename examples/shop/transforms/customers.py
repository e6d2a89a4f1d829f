"""Who buys much: plain PySpark, to be tested with plain PySpark."""

from pyspark.sql import functions as F

from transforms.money import rounded


def big_customers(staging__orders, silver__customers, context):
    """Return the customers with more than 100 in all, with the run that found them."""
    spent = staging__orders.groupBy("customer_id").agg(rounded(F.sum("amount")).alias("spent"))
    found = spent.where("spent > 100").join(silver__customers, F.col("customer_id") == F.col("id"))
    return found.select("customer_id", "name", "city", "spent", F.lit(context.dag_id).alias("found_by"))

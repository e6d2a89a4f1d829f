"""What runs in the Spark driver: reads a request, writes and publishes its tables, leaves a report.

Python 3.9 syntax; needs pyspark, and Soda where a table has checks.
"""

"""What each thing that Airflow does to a task costs in jobs and publishes: the table, and the proof of each row."""

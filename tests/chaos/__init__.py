"""Random kills over a real Airflow that runs the flights spec, round after round; see ``kill_at_random.py``."""

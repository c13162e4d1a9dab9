"""What 100,000 scenes cost Dagster: its tables filled with the records of real runs, its queries and ours timed."""

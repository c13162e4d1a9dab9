"""What Dagster's records say of many scenes, and what is done to them. Assets are known by their keys only."""

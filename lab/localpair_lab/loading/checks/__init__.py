"""What a scenario file says that cannot be: each check yields conflicts, with where they stand."""

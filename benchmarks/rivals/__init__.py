"""What we are measured against. These programs run in benchmarks/.venv, in which TaskFlow is not installed."""

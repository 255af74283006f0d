"""The benchmarks: `make bench`, or `python -m benchmarks --help`. What each measures is in docs/benchmarks.md."""

"""What the product's own driver does with a study of thousands of runs: ``python -m scale`` in ``tests/perf``."""

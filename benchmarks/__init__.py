"""Scripts that measure what skmm claims: ``python -m benchmarks.NAME [--quick]``."""

"""Servers of this machine for the demo, the tests and the benchmarks; never for production."""

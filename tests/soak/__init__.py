"""Random faults on one cluster for as long as one likes: `python -m tests.soak --minutes 10`."""

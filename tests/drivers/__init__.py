"""Writers in other languages: the programs whose middle parts stand in docs/writers.md."""

"""The table held against the topics: `verify` proves, `rebase` finds positions anew."""

"""What people do with dead letters: which are meant, what would become of them, and waiting for it.

Docs: docs/dead-letters.md.
"""

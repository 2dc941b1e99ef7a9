"""Proofs about the inbox of commands and its executor."""

"""Plugins of pytest that hold the rules of this test suite."""

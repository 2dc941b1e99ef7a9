"""The local servers."""

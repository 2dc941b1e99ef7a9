"""The relay and its parts on real servers."""

"""The domain on a real Postgres: its rules, its events, and what races do to them."""

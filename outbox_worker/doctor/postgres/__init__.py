"""The checks of Postgres, one a module: each has a function `look`."""

"""The checks of the group of workers, and of what holds it up."""

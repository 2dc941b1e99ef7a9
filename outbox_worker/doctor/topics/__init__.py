"""The checks of the topics that unpublished events name, and of those that workers wrote to."""

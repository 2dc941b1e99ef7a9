"""The installed command as a process."""

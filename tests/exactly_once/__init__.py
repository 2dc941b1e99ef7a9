"""Every committed event is read exactly once and in order, whatever dies on the way."""

"""Published experiments, a room each."""

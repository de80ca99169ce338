"""A pipeline in one thread, for a state machine to break: see `world`, `rest`, `process`."""

"""Applications at the edge: the sink protocol, its one runner, the sinks."""

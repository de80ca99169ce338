"""Stream processors: what turns facts into decisions, and what watches."""

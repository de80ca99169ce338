"""The HTTP write side: a 2xx only for what the log has."""

"""Verdict changes as they happen, for a dialer that holds numbers in a queue."""

"""Loads: facts of a file to the log in chunks, resumable, and the wait until they are in force."""

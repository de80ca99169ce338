"""The command `noli`: parse, call, print."""

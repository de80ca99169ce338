"""Whole lists through the gate: each row comes back with its verdict beside it."""

"""Bugs, planted on purpose into a process of ours: each must be caught by the ordinary checks.

`python -m tests.chaos.plants PLANT MODULE` runs a process with the bug in it.
"""

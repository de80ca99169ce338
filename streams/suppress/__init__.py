"""The suppress processor: facts in, verdicts out."""

"""`noli explain` in words: facts, verdicts, reasons, on a screen or as JSON."""

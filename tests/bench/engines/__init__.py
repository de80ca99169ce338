"""The engine table with the real fold: `make bench-engines` (docs/adr/0001-engines.md)."""

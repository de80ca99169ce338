"""SILENT-RATIO: two years of statistics per campaign in PostgreSQL, and the report of one."""

"""Where facts come from that nobody posts: one folder per system."""

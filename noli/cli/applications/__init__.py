"""What `noli app` does beside checking a manifest: orders, their progress, who is how far."""

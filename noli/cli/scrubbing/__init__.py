"""`noli scrub` in parts: the files it writes, and the certificate it checks."""

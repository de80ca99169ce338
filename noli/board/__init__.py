"""The status page and its HTTP service: as of when every application is aligned, for people."""

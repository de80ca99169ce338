"""The core of Noli: the law, the runtime under every process, and the services around the log."""

"""The gate over HTTP: `POST /v1/decisions`."""

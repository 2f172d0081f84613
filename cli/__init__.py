"""The `perdure` command: starts a server, and talks to one over its REST and WebSocket API."""

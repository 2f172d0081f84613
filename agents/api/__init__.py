"""The REST, SSE and WebSocket doors to agents."""

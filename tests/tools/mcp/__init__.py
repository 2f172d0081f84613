"""MCP servers as real processes, good and bad, and what is made of them."""

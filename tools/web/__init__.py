"""The web, as tools reach it: `client` fetches through tools/guard.py, `pages` makes text of it, `search` asks a
search engine."""

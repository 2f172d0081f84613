"""Accounts: organizations, their users and API keys. The lowest layer: every other row belongs to an organization."""

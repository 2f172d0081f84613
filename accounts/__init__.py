"""Accounts: organizations, their users and API keys. The lowest layer: every row elsewhere belongs to an organization."""

"""Adapters over the providers' own SDKs: a request goes in, events come out. Start at registry.py."""

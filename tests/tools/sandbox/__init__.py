"""Calls in the jail: tests that need no database."""

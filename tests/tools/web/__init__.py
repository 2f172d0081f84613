"""Tests of the web, as tools reach it."""

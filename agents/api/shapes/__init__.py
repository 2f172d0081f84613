"""Rows -> the API's objects. Every field of the contract is sent, nulls included."""

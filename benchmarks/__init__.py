"""The project's own measurements: ratios and costs per step, against a fake LLM server, never part of the tests."""

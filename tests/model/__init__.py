"""The run machine as a small model, whose every state is visited: `python -m tests.model`."""

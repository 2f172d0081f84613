"""The tools that every organization has. Their docstrings are what the model reads."""

"""Agents: what one is, how it runs, how it is spoken to. Start reading at agents/loop/step.py."""

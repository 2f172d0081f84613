"""What breaks in the world, done to real processes. Afterwards the transcript is exact and every invariant holds."""

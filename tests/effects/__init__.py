"""An app of the tests' own: tools that reach the world, so that faults can strike while they run."""

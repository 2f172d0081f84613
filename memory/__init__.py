"""Memory: what an agent knows. Core memory is edited in place, archival memory is filed away and searched."""

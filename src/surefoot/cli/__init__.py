"""The terminal face: one file per command group."""

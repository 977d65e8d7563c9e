"""Frozen data and rules without I/O."""

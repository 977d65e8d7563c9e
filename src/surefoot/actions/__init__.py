"""Actions that can be taken back: simulate, approve, apply exactly once, undo exactly. A model only ever proposes."""

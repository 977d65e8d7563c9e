"""What each kind of case asks of a target, and what the outcome is worth: one module a task."""

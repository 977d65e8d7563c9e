"""For hosts: what receives signed calls, does each once, and answers so that it can be taken back."""

"""Who may call: viewer tokens, server keys and what they allow."""

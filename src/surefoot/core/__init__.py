"""Errors, ids, clock and settings; imports no third party but pydantic."""

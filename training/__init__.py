"""Builds the shipped models from data; never imported by the package."""

"""Engines behind the ports; named by bootstrap alone."""

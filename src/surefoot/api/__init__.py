"""The HTTP face: one route file per resource."""

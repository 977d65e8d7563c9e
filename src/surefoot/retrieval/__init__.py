"""From documents to passages this viewer may read."""

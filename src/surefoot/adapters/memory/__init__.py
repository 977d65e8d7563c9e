"""In-memory doubles of every port, shipped for tests and trials."""

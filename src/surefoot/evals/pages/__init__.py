"""What people read of a run: one HTML page, Markdown for a review, JUnit for a build server, JSON for everything else."""

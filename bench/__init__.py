"""`make bench`: how fast nled is, beside what the same core does without it."""

"""Black-box tests: the daemon as a process of its own, reached over its ports only."""

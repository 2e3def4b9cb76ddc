"""What nled adds to the libraries it stands on: one module for each."""

"""Faults made on purpose, while simulated thermostats and people go on: `make faults`."""

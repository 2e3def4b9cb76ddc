"""The use cases: what a device, a person or a program can do, whichever way it came in."""

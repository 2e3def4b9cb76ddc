"""The rules: pure functions and frozen values. No Twisted, no I/O, no clock (time arrives as `now`)."""

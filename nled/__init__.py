"""nled: a server for Nest Learning Thermostats freed from their vendor's cloud."""

from nled._version import __version__

__all__ = ["__version__"]

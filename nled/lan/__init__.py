"""The local network: what this machine is attached to, and thermostats' Settings API (protocol g.5)."""

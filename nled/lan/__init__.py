"""The local network: what this machine is attached to, and thermostats' Settings API (PROTOCOL.md g.5)."""

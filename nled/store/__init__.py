"""The state: Redis or Valkey, its connections, keys and scripts. Only this package names txredisapi."""

"""The HTTP edge: sites, routing, the error table, and one class of routes for each listener."""

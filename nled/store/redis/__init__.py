"""The connection to Redis.

txredisapi connects, again and again, and parses. What it lacks is here: a deadline for each command, a
greeting before a connection is used, a heartbeat, and a name for the state that all this is in.
"""

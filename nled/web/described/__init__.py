"""What people ask for, as exact as types can say it: for `/openapi.json`, and imported by nothing else.

A request is read as something simpler and goes to the rules (`nled.domain.commands`), whose sentences clients
know. A test holds the two against each other.
"""

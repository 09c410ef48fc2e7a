"""HTTP itself: the parser, bodies, answers and the middleware around every route.

It knows nothing of users, of routes or of the services behind the gateway; `make lint` checks this.
"""

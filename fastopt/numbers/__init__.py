"""Number types that ride through a user's own, unchanged function: duals bring its gradient, lanes run many at once.

Nothing here is imported by ``import fastopt``: what registers types with Numba costs milliseconds.
"""

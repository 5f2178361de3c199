"""Plain functions that compiled code does not take as they are: Numba knows another form of them."""

OVERLOADED: set = set()

"""Number types that ride through users' functions, and the mathematics that they, and users' loops, share.

Importing what is in here registers with Numba, which takes milliseconds: it is imported where it is first needed.
"""

"""Minimisation in SciPy's shape: one problem, many problems, and SciPy's own ``minimize``."""

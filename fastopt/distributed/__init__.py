"""Beyond one machine.

## MPI
"""

"""Slow, plain reference implementations of the core in NumPy, with which the library is compared."""

"""Slow, obvious twins of the core in NumPy: the library is compared with them, never the other way round."""

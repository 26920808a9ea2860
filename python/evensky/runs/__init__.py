"""Runs over exposures, in memory or in files: a source, a method and an executor."""

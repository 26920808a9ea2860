"""Conversions to and from optional packages; each package is imported only when it is used."""

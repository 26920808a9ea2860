"""Conversion from and to the images of other packages; each package is imported only when it is used."""

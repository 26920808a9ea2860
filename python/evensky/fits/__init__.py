"""Reading and writing of FITS files as plain numpy planes; files are written whole or not at all."""

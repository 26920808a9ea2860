"""Read and write FITS files as plain numpy planes, and write files whole or not at all."""

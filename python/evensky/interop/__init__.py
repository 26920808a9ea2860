"""What other packages have in place of images, in and out; each is imported only when it is used."""

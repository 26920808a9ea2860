"""Jobs and the executors that do them."""

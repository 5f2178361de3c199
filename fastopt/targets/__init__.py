"""Where arrays are: the CPU, or a GPU; packing and moving them."""

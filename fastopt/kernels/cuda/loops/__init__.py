"""The loops of CUDA kernels: what one thread of the grid does."""

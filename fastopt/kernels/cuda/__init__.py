"""Kernels on NVIDIA GPUs: loops, how they are bound, and the memory they work on."""

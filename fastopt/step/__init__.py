"""Optimisers: parameters, state and hyperparameters, and a step in place."""

"""Problems to optimise: losses for training and classic test functions, with gradients written in place."""
from fastopt.problems.losses import init_mlp, linear, logistic, mlp, poisson, softmax

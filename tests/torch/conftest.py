"""Tests of ``fastopt.torch``: their modules import PyTorch, and are left out where it is not installed."""

from extras import why_not

collect_ignore_glob = ["test_*.py"] if why_not("peers", "torch") else []

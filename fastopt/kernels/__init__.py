"""Compilation: loop templates, and how a rule becomes a kernel for a target."""

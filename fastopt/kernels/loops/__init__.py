"""The loops. They are templates: they know no algorithm, and what they call is bound in (bind.py)."""

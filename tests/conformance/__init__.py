"""The dialects of frameworks, against the frameworks themselves."""

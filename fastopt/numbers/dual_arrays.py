"""Arrays of duals: expressions of them, element by element, and their sums, products and extremes."""

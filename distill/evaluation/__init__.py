"""How we know: suites of held-out problems, and the metrics over them."""

"""How cost and memory grow, and what more processes buy."""

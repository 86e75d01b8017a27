"""How often adding modalities makes the best single one worse."""

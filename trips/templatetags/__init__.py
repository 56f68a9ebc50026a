"""How facts of demand are shown."""

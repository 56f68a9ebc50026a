"""Papers for riders."""

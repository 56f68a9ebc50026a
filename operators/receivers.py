"""News from demand that concerns runs."""

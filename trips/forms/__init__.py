"""Input of pages turned into values."""

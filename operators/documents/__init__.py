"""Facts of supply as files to keep."""

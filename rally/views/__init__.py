"""Pages of the ground floor: health and errors."""

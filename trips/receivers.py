"""News from the money side that concerns pledges."""

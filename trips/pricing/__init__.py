"""What a trip takes: its times, its kilometres, its cost and its fares. Plain functions over plain values."""

"""The demo: a cast, a market, a clock that moves, and a bar at the foot of each page. Only in demo mode."""

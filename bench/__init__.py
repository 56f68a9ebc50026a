"""What we claim about speed, measured beside a floor in the same run. `make bench` runs it all."""

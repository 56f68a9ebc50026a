"""What a run asks of its driver: the way from the depot and back to it, hours at the wheel and on duty."""

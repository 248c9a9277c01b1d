"""What the operator reads: health, alerts, problems, status. Pure functions of a view of the state and its surroundings."""

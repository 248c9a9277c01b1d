"""The production decision in models of its surroundings, in virtual time."""

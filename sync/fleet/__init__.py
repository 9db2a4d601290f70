"""A device as one of a fleet: its shadow, its jobs, and the table that the owner draws of all."""

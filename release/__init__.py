"""What belongs to a release: the list of what it is made of."""

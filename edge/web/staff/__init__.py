"""The staff's area: who may enter it, and what can be done in it."""

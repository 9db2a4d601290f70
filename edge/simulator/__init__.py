"""Simulated cameras: drawn things on a drawn counter, with the truth of every frame."""

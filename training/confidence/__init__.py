"""Teach the confidence model with many catalogues; see `catalog.recognition.prior`."""

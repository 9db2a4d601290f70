"""Stands in for what a Greengrass V1 core puts beside its functions: the way to its daemon."""

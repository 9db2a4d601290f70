"""The commands of the device: edge, demo, doctor."""

"""What the staff teach the device: items and photos of its own, beside the catalogue's."""

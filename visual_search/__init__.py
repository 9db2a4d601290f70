"""visual-search: hold a thing before a camera, and the device finds it in its catalogue."""

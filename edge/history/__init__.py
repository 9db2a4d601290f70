"""What was shown to the device, and what it answered: kept for the staff."""

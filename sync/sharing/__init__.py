"""What the staff taught a device, on its way to the owner."""

"""The running device: its loop, its reports, and what starts and stops it."""

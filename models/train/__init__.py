"""Trains, exports and verifies a pose model: see README.md."""

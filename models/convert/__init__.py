"""Turns networks of other frameworks into model folders: see README.md."""

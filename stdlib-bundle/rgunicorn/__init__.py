"""The Python part of rgunicorn, which is in the bundle."""

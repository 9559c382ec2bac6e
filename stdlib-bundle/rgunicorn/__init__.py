"""The Python half of rgunicorn; it travels in the bundle."""

"""Applications: what the server loads."""

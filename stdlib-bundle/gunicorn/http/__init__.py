"""HTTP. The server's parser is not Python's to call."""

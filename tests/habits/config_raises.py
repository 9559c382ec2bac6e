# ends
# differs: the words of errors
# only real: stderr: Failed to read config file
# only ours: stderr: Error: Failed to read config file
1 / 0

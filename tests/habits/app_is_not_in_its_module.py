# args: app:nothing
# ends
# differs: the words of errors
# only real: stderr: Failed to find
# only real: Using worker
# only ours: [ERROR] Failed to find

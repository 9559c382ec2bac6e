# args: nothing:app
# ends
# differs: the words of errors
# only real: stderr: No module named
# only real: Using worker

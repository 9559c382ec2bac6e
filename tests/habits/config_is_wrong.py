# ends
# differs: the words of errors
# only real: stderr: Error: invalid literal
# only real: stderr: Invalid value for workers: many
# only ours: Error: Invalid value for workers: 'many' is not a whole number
workers = "many"

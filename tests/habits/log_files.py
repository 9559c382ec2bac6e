# args: -w 2 --access-logfile access.log --error-logfile error.log app:app
# get: /page /print /log /broken
capture_output = True

# args: -w 2 --access-logfile access.log --error-logfile error.log app:app
# get: /page /print /log /broken
# differs: the server's own pages in the access log
# only real: GET /broken HTTP/1.1" 500 0
# only ours: GET /broken HTTP/1.1" 500 113
capture_output = True

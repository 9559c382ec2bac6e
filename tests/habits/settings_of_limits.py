# get: /page /page?a-query-that-is-much-too-long-for-the-limit-of-this-server
# differs: the words of errors
# only real: Request Line is too large (77
# only ours: Request line is longer than 40 bytes
limit_request_line = 40

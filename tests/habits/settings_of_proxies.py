# args: --forwarded-allow-ips * app:app
# get: /environ
secure_scheme_headers = {"HOST": "testserver"}

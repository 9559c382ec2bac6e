# get: /page /log
# differs: lines with a `logconfig`
# only real: stdout: G INFO
# only real: stdout: G WARNING
# only ours: stdout: G INFO GET
logconfig_dict = {"formatters": {"generic": {"format": "G %(levelname)s %(message)s"}}}
access_log_format = "%(r)s"

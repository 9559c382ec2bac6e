# get: /page /log
# differs: lines with a `logconfig`
# only real: stdout: [
logconfig_dict = {"formatters": {"generic": {"format": "G %(levelname)s %(message)s"}}}
access_log_format = "%(r)s"

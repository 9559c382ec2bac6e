# get: /page /log
from pathlib import Path

Path("log.ini").write_text("""
[loggers]
keys=root, error, access
[handlers]
keys=console, file
[formatters]
keys=short
[logger_root]
level=WARNING
handlers=console
[logger_error]
qualname=gunicorn.error
level=INFO
handlers=console
propagate=0
[logger_access]
qualname=gunicorn.access
level=INFO
handlers=file
propagate=0
[handler_console]
class=StreamHandler
args=(sys.stderr,)
formatter=short
[handler_file]
class=FileHandler
args=('access.log',)
formatter=short
[formatter_short]
format=S %(message)s
""")
logconfig = "log.ini"
access_log_format = "%(r)s %(s)s"

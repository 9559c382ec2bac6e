# get: /page?a=b&c="d" /page%20x
accesslog = "access.log"
access_log_format = (
    '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(m)s %(U)s %(q)s %(H)s %(b)s %(B)s "%(f)s" "%(a)s" '
    '%(T)s %(p)s %({host}i)s %({x-said}o)s %({wsgi.url_scheme}e)s %({no-such}i)s'
)

# get: /page /environ
import gunicorn

gunicorn.SERVER = "web"
gunicorn.SERVER_SOFTWARE = "web/1.0"

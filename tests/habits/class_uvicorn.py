# args: app:asgi
# get: /page /page/2
# differs: the field `Server` with uvicorn's worker class
# only real: server: uvicorn
# only ours: server: gunicorn
# differs: the lines of uvicorn's own server
# only real: server process [pid]
# only real: [INFO] Shutting down
# only real: was sent SIGTERM!
# only ours: [INFO] Worker exiting
# only ours: [INFO] Shutting down: Master
from uvicorn.workers import UvicornWorker


class Own(UvicornWorker):
    CONFIG_KWARGS = {"loop": "asyncio", "http": "h11", "lifespan": "off", "headers": [("x-own", "yes")]}


worker_class = Own

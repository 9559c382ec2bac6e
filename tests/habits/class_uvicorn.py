# args: app:asgi
# get: /page /page/2
from uvicorn.workers import UvicornWorker


class Own(UvicornWorker):
    CONFIG_KWARGS = {"loop": "asyncio", "http": "h11", "lifespan": "off", "root_path": "/below"}


worker_class = Own

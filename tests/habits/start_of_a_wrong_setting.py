# script
# ends
from gunicorn.app.base import BaseApplication


class Wrong(BaseApplication):
    def load_config(self):
        self.cfg.set("workers", "many")

    def load(self):
        return None


Wrong().run()

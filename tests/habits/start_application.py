# script: --threads 2 app:app
# get: /page
from gunicorn.app.wsgiapp import WSGIApplication


class Own(WSGIApplication):
    def load_config(self):
        super().load_config()
        self.cfg.set("proc_name", "own")
        print(self.cfg.threads, self.app_uri, flush=True)


Own("%(prog)s [OPTIONS] [APP_MODULE]").run()

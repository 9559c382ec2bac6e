# args: -k own_worker.Own app:app
# get: /page
from pathlib import Path

Path("own_worker.py").write_text("""
from gunicorn.workers.sync import SyncWorker

class Own(SyncWorker):
    def init_process(self):
        print("init_process", flush=True)
        super().init_process()
""")

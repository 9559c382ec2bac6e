# args: broken:app
# ends
# differs: the words of errors
# only real: stderr: division by zero
# only real: Using worker
from pathlib import Path

Path("broken.py").write_text("1 / 0\n")

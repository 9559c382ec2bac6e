# get: /environ /own/environ
# differs: the words of errors
# only real: /environ: Bad Request
# only ours: /environ: Internal Server Error
raw_env = ["OWN=value", "SCRIPT_NAME=/own"]

# get: /environ
raw_env = ["OWN=value", "SCRIPT_NAME=/own"]

# get: /errors /log /broken
errorlog = "error.log"
loglevel = "warning"

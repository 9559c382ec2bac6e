# args: app:make(own="1")
# get: /environ

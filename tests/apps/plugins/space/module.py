NAME = "space"

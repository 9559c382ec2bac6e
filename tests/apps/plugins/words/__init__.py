NAME = "words"

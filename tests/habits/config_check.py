# args: --check-config app:app
# ends
workers = 2

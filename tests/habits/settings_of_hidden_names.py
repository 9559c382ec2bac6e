# get: /page
import multiprocessing

cores = multiprocessing.cpu_count()
workers = min(cores, 1) * 2
_hidden = object()


def helper():
    return 1


graceful_timeout = 10 * helper()

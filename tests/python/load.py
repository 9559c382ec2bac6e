"""Sends requests to the servers that a name leads to, over new and kept connections,
and prints the results twice a second as JSON: `load.py HOST PORT`. It begins when there
is a server."""

import collections
import http.client
import json
import random
import socket
import sys
import threading
import time

HOST, PORT = sys.argv[1], int(sys.argv[2])
answers = collections.Counter()
failures = []
lock = threading.Lock()


def ask(kept):
    connection = None
    while True:
        time.sleep(0.01)
        try:
            connection = connection or connect()
            connection.request("GET", "/", headers={} if kept else {"Connection": "close"})
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status == 200, answer.status
        except Exception as error:
            with lock:
                failures.append(f"{'kept' if kept else 'new'}: {error!r}")
            connection = None
            continue
        with lock:
            answers[text] += 1
        if answer.will_close:
            connection = None


def connect():
    # Any of them: a client that resolves the name only once always uses the same
    # server.
    found = socket.getaddrinfo(HOST, PORT, socket.AF_INET, socket.SOCK_STREAM)
    host, port = random.choice(found)[4]
    return http.client.HTTPConnection(host, port, timeout=20)


def is_there():
    try:
        return socket.getaddrinfo(HOST, PORT)
    except socket.gaierror:
        return False


while not is_there():
    time.sleep(0.1)
for kept in (True, False) * 4:
    threading.Thread(target=ask, args=(kept,), daemon=True).start()
while True:
    time.sleep(0.5)
    with lock:
        print(json.dumps({"answers": answers, "failures": failures[:20]}), flush=True)

"""A client of Socket.IO, which prints what it gets. It begins with polling if an
argument says so."""

import sys
import threading

import socketio

url, *transports = sys.argv[1:]
client = socketio.Client(reconnection=False)
said = threading.Event()


@client.on("said")
def heard(data):
    print("said", data["text"])
    said.set()


client.connect(url, transports=transports, wait_timeout=30)
while client.transport() != "websocket":
    client.sleep(0.01)
print(client.call("say", {"text": "hello"}, timeout=30))
said.wait(30)
client.disconnect()
print(client.connected)

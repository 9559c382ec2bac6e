"""Flask with each of the packages that add WebSockets."""

import os

import simple_websocket
from flask import Flask, request
from flask_sock import Sock
from flask_socketio import SocketIO, emit
from flask_sockets import Sockets
from werkzeug.routing import Rule


class NewSockets(Sockets):
    """Flask-Sockets, for Flask 2 and later."""

    def add_url_rule(self, rule, _, act, **options):
        self.url_map.add(Rule(rule, endpoint=act, websocket=True))


app = Flask(__name__)
app.config["SOCK_SERVER_OPTIONS"] = {"ping_interval": 25}
sock = Sock(app)
socketio = SocketIO(app, async_mode=os.environ.get("ASYNC_MODE", "threading"))
sockets = NewSockets(app)


@app.route("/")
def hello():
    return "hello"


@sock.route("/sock")
def of_flask_sock(ws):
    while True:
        ws.send(ws.receive())


@app.route("/simple", websocket=True)
def of_simple_websocket():
    ws = simple_websocket.Server.accept(request.environ)
    try:
        while True:
            ws.send(ws.receive())
    except simple_websocket.ConnectionClosed:
        return "this is not sent"


@sockets.route("/sockets")
def of_flask_sockets(ws):
    while not ws.closed:
        message = ws.receive()
        if message is not None:
            ws.send(message)


@socketio.on("say")
def say(data):
    emit("said", data)
    return "heard"

"""The agent's local API without libraries: HTTP over its UNIX socket."""

import http.client
import json
import socket


class Agent(http.client.HTTPConnection):
    """A connection to the agent's socket."""

    def __init__(self, path):
        super().__init__("agent")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)

    def call(self, method, target, body=None):
        """Makes one call and returns its answer; an error raises."""
        self.request(method, target, body)
        answer = self.getresponse()
        if answer.status != 200:
            raise RuntimeError(answer.read().decode())
        return answer


def publish(path, line):
    """Hands a SmartREST line over; it is on the disk when this returns."""
    Agent(path).call("POST", "/v1/publish", line.encode()).read()


def follow(path, target):
    """Yields each object of a stream."""
    for line in Agent(path).call("GET", target):
        yield json.loads(line)

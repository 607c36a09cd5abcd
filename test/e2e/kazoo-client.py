"""A foreign ZooKeeper client for foreign-client.test.ts.

Reads one JSON object per line from stdin, does what its field "do" names, and answers with one line of JSON:
the result, or {"error": "<name of the exception>"}. Ends, and drops its ephemeral nodes, when stdin ends.
"""

import json
import sys
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException, NodeExistsError, NoNodeError

HOLD_SECONDS = 0.2
TRY_EVERY_SECONDS = 0.002


def data_of(command):
    """The bytes to write: text, a number of equal bytes, or every byte there is."""
    if "fill" in command:
        return b"x" * command["fill"]
    if command.get("binary"):
        return bytes(range(256))
    return command.get("text", "").encode()


class Contender(threading.Thread):
    """Takes a lock whenever it is free, like the lock recipe, and gives it back after a moment."""

    def __init__(self, client, path):
        super().__init__(daemon=True)
        self.client = client
        self.path = path
        self.won = 0
        self.stopping = threading.Event()

    def run(self):
        while not self.stopping.wait(TRY_EVERY_SECONDS):
            try:
                self.client.create(self.path, b"contended for by kazoo", ephemeral=True)
            except NodeExistsError:
                continue
            self.won += 1
            time.sleep(HOLD_SECONDS)
            try:
                self.client.delete(self.path)
            except NoNodeError:
                pass


class Foreigner:
    def __init__(self, hosts):
        self.client = KazooClient(hosts=hosts, timeout=4.0)
        self.client.start(timeout=20)
        self.contenders = []

    def create(self, command):
        ephemeral = command.get("ephemeral", False)
        self.client.create(command["path"], data_of(command), ephemeral=ephemeral, makepath=True)
        return {}

    def delete(self, command):
        self.client.delete(command["path"], recursive=True)
        return {}

    def lock(self, command):
        """Kazoo's own recipe: a child of the path for each contender."""
        return {"acquired": self.client.Lock(command["path"]).acquire(timeout=1)}

    def contend(self, command):
        self.contenders = [Contender(self.client, path) for path in command["paths"]]
        for contender in self.contenders:
            contender.start()
        return {}

    def won(self, _command):
        return {"won": [contender.won for contender in self.contenders]}

    def relent(self, command):
        for contender in self.contenders:
            contender.stopping.set()
        for contender in self.contenders:
            contender.join()
        return self.won(command)


def main():
    foreigner = Foreigner(sys.argv[1])
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(foreigner, command["do"])(command)
        except KazooException as error:
            answer = {"error": type(error).__name__}
        print(json.dumps(answer), flush=True)
    foreigner.client.stop()


main()

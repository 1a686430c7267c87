"""What the nodes of a network have shown as held, and whether they still have it: it was on their disks before it was shown.

Peers give back what a node has lost. So a node that was killed is asked where no peer can have helped it (Held.alone).
"""

import contextlib
import hashlib

from harness import free_port, wait_until
from network import canonical, get


def leaf(document):
    return hashlib.sha256(b"\0" + canonical(document)).hexdigest()


def shown(net, i):
    """(statements, bodies) that node i shows in its pool and its newest block."""
    statements, bodies = [], []
    pool = net.json(i, "/v1/pool")
    latest = net.json(i, "/v1/blocks/latest")
    for found in (pool, latest and latest["block"]):
        if found:
            statements += found["statements"]
            bodies += found["bodies"]
    return statements, bodies


class Held:
    """By node: (kind, digest), ever shown."""

    def __init__(self, net):
        self.net = net
        self.port = free_port()  # that no peer knows
        self.ever = [set() for _ in range(net.n)]
        self.fresh = [set() for _ in range(net.n)]  # since its records were last checked
        self.checked = 0

    def note(self, i):
        statements, bodies = shown(self.net, i)
        self.fresh[i].update(("statements", leaf(s)) for s in statements)
        self.fresh[i].update(("bodies", leaf(b)) for b in bodies)

    def missing(self, i, records):
        """Those of the records that node i does not serve, with its answer."""
        self.checked += len(records)
        answers = [(kind, digest, get("%s/v1/%s/%s" % (self.net.url(i), kind, digest))[0]) for kind, digest in sorted(records)]
        return [answer for answer in answers if answer[2] != 200]

    def missing_fresh(self, i):
        """missing() of what node i has shown since this was asked last."""
        fresh, self.fresh[i] = self.fresh[i], set()
        self.ever[i] |= fresh
        return self.missing(i, fresh)

    def ready(self, i):
        return get(self.net.url(i) + "/readyz")[0] == 200

    def wait_ready(self, i):
        wait_until(lambda: self.ready(i), 30, "gateway %d ready: %s" % (i, self.net.nodes[i].errors[-5:]))

    @contextlib.contextmanager
    def alone(self, i, wait_ready=None):
        """Gateway i runs without a peer, where no peer looks for it: what it shows comes from its disk. Then it is killed again."""
        known, self.net.ports[i] = self.net.ports[i], self.port
        try:
            program = self.net.start_gateway(i, node={"bind": "127.0.0.1", "port": self.port, "peers": []})
            (wait_ready or self.wait_ready)(i)
            yield
            program.kill()
        finally:
            self.net.ports[i] = known

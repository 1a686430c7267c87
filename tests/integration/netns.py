"""A large network for tests: gateways and their relay, each in a network namespace of its own, on one Ethernet bridge.

    with BridgedNetwork(gateways=16) as net:      # unittest.SkipTest where namespaces cannot be made
        net.start_relay()
        net.start_all()
        net.partition([range(8), range(8, 16)])
        net.heal()

The hub namespace holds the bridge and one veth for each node; the far end is eth0 of the node's namespace. Everything that
disturbs the network is one nftables ruleset on the bridge, replaced as a whole, or the state of a veth. So a node notices
nothing but missing packets. The test itself asks a node from inside the node's namespace (127.0.0.1), which no rule touches.

Names begin with a prefix that holds the pid of the test; what was made is deleted by these names and what was started is ended
by its pid, whatever happened: also when the test ends by an interrupt or SIGTERM.
"""

import atexit
import ctypes
import http.client
import json
import os
import signal
import socket
import subprocess
import unittest

from harness import Program, bin_path, patience
from network import Network

PORT = 5004  # of every gateway: each has an address of its own
RELAY_PORT = 5010
CLONE_NEWNET = 0x40000000
NETNS_DIR = "/run/netns"
PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
WORDS = "needs root and network namespaces"

_libc = ctypes.CDLL(None, use_errno=True)
_serial = 0


class Unavailable(Exception):
    """This machine does not let us build the network; the words say what failed."""


def tool(argv, text=None):
    """Run ip, nft or tc; Unavailable when it is not there or refuses."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True, env=dict(os.environ, PATH=PATH), timeout=60, check=False)
    except OSError as error:
        raise Unavailable("%s: %s" % (argv[0], error)) from None
    if done.returncode != 0:
        raise Unavailable("%s: %s" % (" ".join(argv), done.stderr.strip()))
    return done.stdout


def _setns(fd):
    if _libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


def socket_in(namespace):
    """A TCP socket that lives in another namespace. The calling thread is there only while it is made."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(os.path.join(NETNS_DIR, namespace), os.O_RDONLY)
    try:
        _setns(there)
        try:
            return socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        finally:
            _setns(home)
    finally:
        os.close(there)
        os.close(home)


class Bridge:
    """The namespaces, the bridge, and what is wrong with them just now. Ports are named v0, v1, … in the hub."""

    def __init__(self, nodes):
        global _serial  # networks of one test process do not share names
        _serial += 1
        self.prefix = "gridwitness-%d-%d-" % (os.getpid(), _serial)
        self.nodes = nodes
        self.made = []
        self.groups = []
        self.lost_percent = 0
        self.hidden = set()
        self.kbyte_s = 0
        self.shaped = False  # the limit is tc's
        atexit.register(self.remove)  # when nobody else does it
        if signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._make()
        except Unavailable:
            self.remove()
            raise

    def namespace(self, i):
        return "%sn%d" % (self.prefix, i)

    @property
    def hub(self):
        return self.prefix + "hub"

    @staticmethod
    def address(i):
        return "10.77.0.%d" % (i + 1)

    def _add(self, namespace):
        tool(["ip", "netns", "add", namespace])
        self.made.append(namespace)

    def _make(self):
        self._add(self.hub)
        tool(["ip", "-n", self.hub, "link", "add", "br0", "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"])
        tool(["ip", "-n", self.hub, "link", "set", "br0", "up"])
        for i in range(self.nodes):
            self._make_node(i)
        self._apply()

    def _make_node(self, i):
        inside = self.namespace(i)
        self._add(inside)
        tool(["ip", "-n", self.hub, "link", "add", "v%d" % i, "type", "veth", "peer", "name", "eth0", "netns", inside])
        tool(["ip", "-n", self.hub, "-batch", "-"], "link set v%d master br0\nlink set v%d up\n" % (i, i))
        tool(["ip", "-n", inside, "-batch", "-"], "link set lo up\naddr add %s/24 dev eth0\nlink set eth0 up\n" % self.address(i))

    def renew(self, i):
        """Namespace i as it was made: what the kernel still had to send for a program that was killed goes with the old one."""
        tool(["ip", "-n", self.hub, "link", "del", "v%d" % i])
        tool(["ip", "netns", "del", self.namespace(i)])
        self.made.remove(self.namespace(i))
        self._make_node(i)

    def remove(self):
        """Delete what was made, by name; the veths and the bridge go with their namespaces."""
        atexit.unregister(self.remove)
        while self.made:
            try:
                tool(["ip", "netns", "del", self.made.pop()])
            except Unavailable as failure:
                print("left behind: %s" % failure)

    # ---- what is wrong with the network ----

    def rules(self):
        """The whole ruleset of the hub. Ports in no group are heard by every group."""
        lines = []
        for k, group in enumerate(self.groups):
            others = [i for m, other in enumerate(self.groups) if m != k for i in other]
            lines.append("iifname { %s } oifname { %s } counter drop" % (self._ports(group), self._ports(others)))
        for i in sorted(self.hidden):
            lines.append('oifname "v%d" tcp flags & (syn | ack) == syn counter drop' % i)
        if self.lost_percent:
            lines.append("numgen random mod 100 < %d counter drop" % self.lost_percent)
        if self.kbyte_s and not self.shaped:  # where tc cannot shape, what is too much is dropped
            lines += ['oifname "v%d" limit rate over %d kbytes/second counter drop' % (i, self.kbyte_s) for i in range(self.nodes)]
        chain = "chain forward { type filter hook forward priority 0; policy accept;\n%s\n}" % "\n".join(lines)
        return "add table bridge cut\ndelete table bridge cut\ntable bridge cut {\n%s\n}\n" % chain

    @staticmethod
    def _ports(numbers):
        return ", ".join('"v%d"' % i for i in numbers)

    def _apply(self):
        tool(["ip", "netns", "exec", self.hub, "nft", "-f", "-"], self.rules())

    def dropped(self):
        """Packets that the rules in force have dropped: a test that cuts asserts that it did."""
        rules = json.loads(tool(["ip", "netns", "exec", self.hub, "nft", "-j", "list", "ruleset"]))["nftables"]
        found = [e["counter"]["packets"] for r in rules if "rule" in r for e in r["rule"]["expr"] if "counter" in e]
        return sum(found)

    def disturb(self, groups=None, loss=None, hidden=None):
        if groups is not None:
            self.groups = [sorted(g) for g in groups]
        if loss is not None:
            self.lost_percent = loss
        if hidden is not None:
            self.hidden = set(hidden)
        self._apply()

    def cable(self, i, plugged):
        tool(["ip", "-n", self.hub, "link", "set", "v%d" % i, "up" if plugged else "down"])

    def rate(self, kbyte_s):
        """At most this towards each node (0: no limit): by tbf where tc has it, else by dropping."""
        if kbyte_s == self.kbyte_s:
            return
        self.kbyte_s = kbyte_s
        shape = ["tbf", "rate", "%dkbps" % kbyte_s, "burst", "32k", "latency", "200ms"]
        lines = ["qdisc %s dev v%d root %s" % (("replace", i, " ".join(shape)) if kbyte_s else ("del", i, "")) for i in range(self.nodes)]
        try:
            if kbyte_s or self.shaped:
                tool(["tc", "-n", self.hub, "-batch", "-"], "\n".join(lines) + "\n")
            self.shaped = kbyte_s > 0
        except Unavailable:
            self.shaped = False
        self._apply()


class BridgedNetwork(Network):
    """Network (the gateways are nodes 0..n-1 of the bridge, the relay is node n) with verbs for what can go wrong."""

    def __init__(self, gateways=16, speed=20, collect_ms=10000, stagger_ms=2600, **more):
        try:
            self.bridge = Bridge(gateways + 1)
        except Unavailable as why:
            print("skipped: %s (%s)" % (WORDS, why))
            raise unittest.SkipTest(WORDS) from None
        try:
            super().__init__(gateways=gateways, speed=speed, collect_ms=collect_ms, stagger_ms=stagger_ms, **more)
            atexit.register(self.end_programs)
        except BaseException:
            self.bridge.remove()
            raise

    def end_programs(self):
        for program in [*self.nodes, self.relay]:
            if program and program.process.poll() is None:
                program.kill()

    def __exit__(self, kind=None, *rest):
        atexit.unregister(self.end_programs)
        try:
            super().__exit__(kind, *rest)
        finally:
            self.end_programs()
            self.bridge.remove()

    # ---- programs ----

    def _start(self, place, argv):
        # `ip netns exec` becomes the program: the pid is the program's own
        return Program(["ip", "netns", "exec", self.bridge.namespace(place), *argv], env=dict(self.env, PATH=PATH))

    def start_relay(self, *options):
        argv = [bin_path("relay-emulator"), "--bind", "0.0.0.0", "--port", str(RELAY_PORT), "--seed", "7", *options]
        self.relay = self._start(self.n, argv)
        self.relay.listening()
        return self.relay

    def start_gateway(self, i, **changes):
        node = {"bind": "0.0.0.0", "port": PORT, "peers": [self.url(k) for k in range(self.n) if k != i]}
        relays = [{"id": "relay-1", "host": self.bridge.address(self.n), "port": RELAY_PORT}]
        config = self.write_config(i, **{"node": node, "relays": relays, **changes})
        self.nodes[i] = self._start(i, [bin_path("gateway"), "--config", config])
        return self.nodes[i]

    # ---- verbs ----

    def kill(self, i):
        """SIGKILL. What node i had handed to the kernel may still be sent."""
        self.nodes[i].kill()

    def lose_power(self, i):
        """Node i is gone, and with it all that was under way from it."""
        self.nodes[i].kill()
        self.bridge.renew(i)

    def restart(self, i):
        self.start_gateway(i)
        self.wait_up([i])

    def pause(self, i):
        """Node i stops where it stands, its connections stay open and nobody answers on them."""
        self.nodes[i].signal(signal.SIGSTOP)

    def resume(self, i):
        self.nodes[i].signal(signal.SIGCONT)

    def disconnect(self, i):
        """The cable of node i is pulled."""
        self.bridge.cable(i, False)

    def connect(self, i):
        self.bridge.cable(i, True)

    def partition(self, groups):
        """No packet from one group to another; the relay is in no group and all of them reach it."""
        self.bridge.disturb(groups=groups)

    def heal(self):
        """An undisturbed network again (cables and stopped processes apart). What the rules dropped."""
        dropped = self.bridge.dropped()
        self.bridge.disturb(groups=[], loss=0, hidden=[])
        return dropped

    def loss(self, percent):
        """Each packet is lost with this probability."""
        self.bridge.disturb(loss=percent)

    def rate(self, kbyte_s):
        """At most so much towards each node; 0: no limit."""
        self.bridge.rate(kbyte_s)

    def hide(self, numbers):
        """Nobody can open a connection to these nodes; they can to others."""
        self.bridge.disturb(hidden=numbers)

    # ---- questions ----

    def url(self, i):
        return "http://%s:%d" % (self.bridge.address(i), PORT)

    def request(self, i, path, document=None, timeout_s=10):
        """(status, body as bytes) of node i, asked inside its own namespace; status 0 when it does not answer."""
        connection = http.client.HTTPConnection("127.0.0.1", PORT, timeout=patience(timeout_s))
        try:
            connection.sock = socket_in(self.bridge.namespace(i))
            connection.sock.settimeout(patience(timeout_s))
            connection.sock.connect(("127.0.0.1", PORT))
            headers = {"Content-Type": "application/json"} if document else {}
            connection.request("POST" if document else "GET", path, document, headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()

    def json(self, i, path):
        status, body = self.request(i, path)
        return json.loads(body) if status == 200 else None

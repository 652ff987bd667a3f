"""A pool's bad network: a second machine and the clients reach chipqd through fault proxies, whose
lines are reset, damaged, slowed, and stand still for up to five leases."""

import os
import select
import socket
import subprocess
import threading

from pool import PoolError

HERE = os.path.dirname(os.path.abspath(__file__))
MACHINE = "farm"
READY_SECONDS = 30
FAULTS = ("reset", "flip", "delay", "stall")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Line:
    """One proxy; a fault of it lasts some seconds, then it is mended by a timer."""

    def __init__(self, folder, name, port):
        self.control = os.path.join(folder, f"{name}.proxy")
        self.timer = None
        self.process = subprocess.Popen(
            [os.path.join(HERE, "cqproxy"), "--to", f"127.0.0.1:{port}", "--control", self.control],
            stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def tell(self, *words):
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(self.control)
            s.sendall(" ".join(map(str, words)).encode() + b"\n")
            answer = s.makefile().readline()
        if not answer.startswith("ok"):
            raise PoolError(f"cqproxy {' '.join(map(str, words))}: {answer.strip()}")

    def mend(self):
        if self.timer:
            self.timer.cancel()
            self.timer.join()
            self.timer = None
        self.tell("clear")

    def harm(self, rng, lease_seconds):
        """Draws a fault and brings it about; says which."""
        kind = rng.choice(FAULTS)
        if kind == "reset":
            self.tell("reset")
        elif kind == "flip":
            self.tell("flip", rng.choice(("up", "down")), rng.randint(-1, 200))
        else:
            seconds = rng.choice((0.3, 1.0, 2.0, 5.0)) * lease_seconds
            self.mend()
            self.tell(kind, *([rng.randint(50, 2000)] if kind == "delay" else []))
            self.timer = threading.Timer(seconds, self.tell, ("clear",))
            self.timer.daemon = True
            self.timer.start()
            kind = f"{kind} for {seconds:.1f} s"
        return kind

    def end(self):
        if self.timer:
            self.timer.cancel()
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Remote:
    """The pool as a client sees it that comes through a proxy."""

    def __init__(self, pool, key):
        self.pool, self.key, self.mark, self.dir = pool, key, pool.mark, pool.dir

    def chipq(self, *args, env=None, timeout=60):
        return self.pool.chipq(*args, env={"CHIPQ_KEY": self.key, **(env or {})}, timeout=timeout)


class Network:
    def __init__(self, pool, lease_seconds):
        self.pool, self.lease_seconds = pool, lease_seconds
        self.ports = {"client": free_port(), "worker": free_port()}
        self.lines, self.machine = {}, None

    def options(self):
        """What chipq.conf must say."""
        return {f"listen-{kind}": f"tcp://127.0.0.1:{port}" for kind, port in self.ports.items()}

    def start(self):
        """The pool is up. Makes both lines, their keys, and the machine."""
        for kind, port in self.ports.items():
            self.lines[f"{kind}-line"] = Line(self.pool.dir, kind, port)
        self.client_key = self.make_key("user", "local/remote", "client", "--role", "designer")
        self.worker_key = self.make_key("worker", MACHINE, "worker")
        self.start_machine()

    def make_key(self, what, name, kind, *options):
        path = os.path.join(self.pool.dir, f"{kind}.remote.key")
        endpoint = f"tcp://127.0.0.1:{self.lines[f'{kind}-line'].port}"
        status, _, errors = self.pool.chipq("--key", os.path.join(self.pool.dir, "keys/admin.key"),
                                            "admin", what, "add", name, *options, "--endpoint",
                                            endpoint, "--key-out", path)
        if status != 0:
            raise PoolError(f"no key for {name}: {errors.strip()}")
        return path

    def start_machine(self):
        home = os.path.join(self.pool.dir, MACHINE)
        os.makedirs(home, mode=0o700, exist_ok=True)
        ready, writer = os.pipe()
        mark, _, value = self.pool.mark.partition("=")
        with open(os.path.join(home, "log"), "ab") as log:
            self.machine = subprocess.Popen(
                [os.path.join(self.pool.bin, "chipq-execd"), "--dir", home, "--key",
                 self.worker_key, "--ready-fd", str(writer), "--", "--node", MACHINE,
                 "--cores", "1", "--mem", "1G"],
                env={**self.pool.base_env, mark: value}, pass_fds=(writer,), stderr=log,
                stdin=subprocess.DEVNULL)
        os.close(writer)
        is_ready = select.select([ready], [], [], READY_SECONDS)[0] and os.read(ready, 16)
        os.close(ready)
        if not is_ready:
            raise PoolError(f"the machine {MACHINE} did not get ready: see {home}/log")

    def remote(self):
        return Remote(self.pool, self.client_key)

    def harm(self, line, rng):
        return self.lines[line].harm(rng, self.lease_seconds)

    def mend(self):
        for line in self.lines.values():
            line.mend()

    def stop_machine(self):
        """In order: what it still runs is stopped and told."""
        if self.machine:
            self.machine.terminate()
            self.machine.wait(timeout=60)
            self.machine = None

    def end(self):
        """Whatever happened: nothing stays behind."""
        if self.machine:
            self.machine.kill()
            self.machine.wait()
        for line in self.lines.values():
            line.end()

"""Grid Engine on this machine alone: a root directory and a cell of its own, on loopback."""

import glob
import os
import re
import socket

from peers.scheduler import Scheduler, kill_9, pid_in, until

PROGRAMS, ROOT = "/usr/lib/gridengine", "/var/lib/gridengine"
TEMPLATES = "/usr/share/gridengine"
# Its daemons take their user from here: root, for nobody else needs to exist.
BOOTSTRAP = """admin_user root
default_domain none
ignore_fqdn true
spooling_method berkeleydb
spooling_lib libspoolb
spooling_params {dir}/spooldb
binary_path {programs}
qmaster_spool_dir {dir}/qmaster
security_mode none
listener_threads 2
worker_threads 2
scheduler_threads 1
"""
# As often as it can be told to: each second, and at once after a submit and after an end.
SCHEDULER = {"schedule_interval": "0:0:1", "flush_submit_sec": "1", "flush_finish_sec": "1", "job_load_adjustments": "NONE",
             "schedd_job_info": "false", "reprioritize_interval": "0:0:0"}
GLOBAL = {"execd_spool_dir": "{dir}/execd", "min_uid": "0", "min_gid": "0", "reprioritize": "0", "load_report_time": "0:0:1"}
LIMITS = "rt cpu fsize data stack core rss vmem".split()
QUEUE = """qname bench
hostlist {host}
seq_no 0
slots 2
shell /bin/sh
shell_start_mode unix_behavior
tmpdir {dir}/tmp
priority 0
min_cpu_interval 00:05:00
processors UNDEFINED
qtype BATCH INTERACTIVE
rerun FALSE
nsuspend 1
suspend_interval 00:05:00
notify 00:00:60
initial_state default
""" + "".join(f"{key} NONE\n" for key in (
    "ckpt_list pe_list load_thresholds suspend_thresholds prolog epilog starter_method suspend_method resume_method "
    "terminate_method owner_list user_lists xuser_lists subordinate_list complex_values projects xprojects calendar").split()
              ) + "".join(f"{kind}_{what} INFINITY\n" for what in LIMITS for kind in "sh")


def with_settings(text, settings):
    for key, value in settings.items():
        text = re.sub(rf"^{key}\s.*$", f"{key} {value}", text, flags=re.M)
    return text


class GridEngine(Scheduler):
    name, needs, needs_root = "Grid Engine", ("sge_qmaster", "sge_execd", "qsub", "qconf"), True
    array_part = 1 / 100

    def version(self):
        return (self.answers("qstat", "-help") or "").split("\n")[0]

    def write(self, path, text):
        path = os.path.join(self.dir, path)
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        return path

    def program(self, name, *args):
        return self.ask(os.path.join(PROGRAMS, name), *args)

    def up(self):
        for part in ("default/common", "spooldb", "qmaster/job_scripts", "execd", "tmp"):
            os.makedirs(os.path.join(self.dir, part))
        for part in ("bin", "lib", "util", "utilbin"):
            os.symlink(os.path.join(ROOT, part), os.path.join(self.dir, part))
        # Its programs, not Debian's scripts around them, which cost each command 10 ms.
        self.env.update(SGE_ROOT=self.dir, SGE_CELL="default", SGE_QMASTER_PORT="17916", SGE_EXECD_PORT="17917",
                        PATH=f"{PROGRAMS}:{os.environ['PATH']}")
        host = socket.gethostname()
        self.write("default/common/bootstrap", BOOTSTRAP.format(dir=self.dir, programs=PROGRAMS))
        self.write("default/common/act_qmaster", host + "\n")
        self.write("default/common/host_aliases", f"{host} localhost\n")  # what 127.0.0.1 is called
        self.fill_database()
        self.start_master()
        self.answers("qconf", "-ah", host)  # it says so when it is one already
        self.answers("qconf", "-as", host)
        self.ask("qconf", "-Msconf", self.write("scheduler", with_settings(self.ask("qconf", "-ssconf"), SCHEDULER)))
        self.program("sge_execd")
        self.ask("qconf", "-Aq", self.write("queue", QUEUE.format(dir=self.dir, host=host)))
        until(lambda: re.search(r"^\S+ +lx-", self.ask("qhost"), re.M), 30, "Grid Engine's host does not come up")

    def fill_database(self):
        with open(f"{TEMPLATES}/default-configuration", encoding="ascii") as f:
            conf = with_settings(f.read(), {key: value.format(dir=self.dir) for key, value in GLOBAL.items()})
        self.program("spoolinit", "berkeleydb", "libspoolb", f"{self.dir}/spooldb", "init")
        self.program("spooldefaults", "configuration", self.write("configuration", conf))
        self.program("spooldefaults", "complexes", f"{TEMPLATES}/util/resources/centry")
        self.program("spooldefaults", "usersets", f"{TEMPLATES}/util/resources/usersets")
        self.program("spooldefaults", "managers", "root")

    def start_master(self):
        self.program("sge_qmaster")
        until(lambda: self.answers("qconf", "-sss") is not None, 30, "Grid Engine's qmaster does not answer")

    def pid_files(self):
        """The execd's lies under what it thinks that this host is called."""
        return glob.glob(os.path.join(self.dir, "execd", "*", "execd.pid")) + [os.path.join(self.dir, "qmaster", "qmaster.pid")]

    def down(self):
        for path in self.pid_files():
            pid = pid_in(path)
            if pid and os.path.exists(f"/proc/{pid}"):
                kill_9(pid)

    def submit(self, held, *argv):
        return ["qsub", "-terse", "-shell", "n", "-b", "y", "-o", "/dev/null", "-j", "y", *(["-h"] if held else []), *argv]

    def array(self, n):
        self.ask("qsub", "-sync", "y", "-t", f"1-{n}", "-shell", "n", "-b", "y", "-o", "/dev/null", "-j", "y", "/bin/true")

    def jobs(self):
        return [int(n) for n in re.findall(r"^ *(\d+) ", self.ask("qstat", "-u", "*"), re.M)]

    def clear(self):
        self.ask("qdel", "-u", "root")
        self.drain()

    def server(self):
        return pid_in(self.pid_files()[-1])

    def crash(self):
        kill_9(self.server())
        self.start_master()

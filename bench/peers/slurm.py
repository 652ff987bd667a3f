"""Slurm on this machine alone, set to schedule as soon as it can."""

import os
import re
import socket

from peers.scheduler import Scheduler, kill_9, pid_in, until

CONF = """ClusterName=bench
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={dir}/munge.sock
CredType=cred/munge
SlurmUser=root
SlurmdUser=root
SlurmctldPort=17817
SlurmdPort=17818
StateSaveLocation={dir}/state
SlurmdSpoolDir={dir}/spool
SlurmctldPidFile={dir}/ctld.pid
SlurmdPidFile={dir}/slurmd.pid
SlurmctldLogFile={dir}/ctld.log
SlurmdLogFile={dir}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_min_interval=1000,sched_interval=1,default_queue_depth=10000
MaxArraySize=100000
MaxJobCount=1000000
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Slurm(Scheduler):
    name, needs, needs_root = "Slurm", ("slurmctld", "slurmd", "sbatch", "munged"), True
    array_part = 1 / 100

    def version(self):
        return self.ask("slurmctld", "-V").strip()

    def up(self):
        for part in ("state", "spool"):
            os.makedirs(os.path.join(self.dir, part), mode=0o755)
        self.env["SLURM_CONF"] = os.path.join(self.dir, "slurm.conf")
        with open(self.env["SLURM_CONF"], "w", encoding="ascii") as f:
            f.write(CONF.format(host=socket.gethostname(), dir=self.dir))
        key = os.path.join(self.dir, "munge.key")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o400), "wb") as f:
            f.write(os.urandom(1024))
        self.ask("munged", "--force", f"--key-file={key}", f"--socket={self.dir}/munge.sock",
                 f"--pid-file={self.dir}/munged.pid", f"--log-file={self.dir}/munged.log",
                 f"--seed-file={self.dir}/munge.seed")
        self.ask("slurmctld", "-c")
        self.ask("slurmd")
        until(lambda: "idle" in (self.answers("sinfo", "-h") or ""), 30, "Slurm's node does not come up")

    def down(self):
        for name in ("slurmd", "ctld", "munged"):
            pid = pid_in(os.path.join(self.dir, f"{name}.pid"))
            if pid and os.path.exists(f"/proc/{pid}"):
                kill_9(pid)

    def submit(self, held, *argv):
        return ["sbatch", "-o", "/dev/null", "--mem=1", *(["-H"] if held else []), "--wrap", " ".join(argv)]

    def direct(self, *argv):
        return ["srun", "-Q", "--mem=1", *argv]

    def array(self, n):
        self.ask("sbatch", "-o", "/dev/null", "--mem=1", "--wait", f"--array=1-{n}", "--wrap", "/bin/true")

    def jobs(self):
        return [int(n) for n in re.findall(r"^\d+", self.ask("squeue", "-h", "-t", "R,CG,PD", "-o", "%A"), re.M)]

    def clear(self):
        self.ask("scancel", "--state=PENDING")
        self.drain()

    def server(self):
        return pid_in(os.path.join(self.dir, "ctld.pid"))

    def crash(self):
        kill_9(self.server())
        self.ask("slurmctld")
        until(lambda: self.answers("squeue", "-h") is not None, 60, "slurmctld is not back")

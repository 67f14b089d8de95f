"""Processes that are measured: how long they took and the most memory each of them ever had."""

import atexit
import json
import os
import re
import signal
import subprocess
import threading
import time

STOP_AFTER = 900  # seconds after which a process that has not ended is a failure


def clean_environment():
    """The environment without the user's own AWS settings."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    env.update(AWS_REGION="us-east-1", AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/dev/null", AWS_SHARED_CREDENTIALS_FILE="/dev/null")
    return env


class Watched:
    """A process in a group of its own, and the peak of each process below it, by what it is."""

    def __init__(self, command, log, env=None):
        self.command, self.log = command, log
        self.out = open(log + ".out", "w+")
        self.err = open(log + ".err", "w+")
        self.began = time.monotonic()
        self.process = subprocess.Popen(command, stdout=self.out, stderr=self.err, env=env or clean_environment(), start_new_session=True)
        self.peaks = {}  # pid: (name, MiB)
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)
        self.thread.start()
        atexit.register(self.kill)

    def sample(self):
        while not self.ended.wait(0.1):
            self.look()

    def look(self):
        for pid in below(self.process.pid):
            peak = status(pid, "VmHWM")
            if peak:
                self.peaks[pid] = (name_of(pid, pid == self.process.pid), peak)

    def wait(self, timeout=STOP_AFTER):
        """Seconds until it ended; failing is an error."""
        end = self.began + timeout
        while True:
            pid, code, usage = os.wait4(self.process.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                self.kill()
                raise SystemExit("%s has not ended after %d s:\n%s" % (self.command[:3], timeout, self.said_last()))
            time.sleep(0.005)
        seconds = time.monotonic() - self.began
        self.ended.set()
        self.thread.join()
        self.process.returncode = os.waitstatus_to_exitcode(code)
        self.peaks.setdefault(pid, (os.path.basename(self.command[0]), usage.ru_maxrss / 1024))
        if self.process.returncode != 0:
            raise SystemExit("%s failed: %d\n%s" % (" ".join(self.command[:4]), self.process.returncode, self.said_last()))
        return seconds

    def stop(self, how=signal.SIGINT):
        self.look()
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.wait(time.monotonic() - self.began + 60)

    def kill(self):
        if self.ended.is_set():
            return
        self.ended.set()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def lines(self):
        """What it printed so far, whole lines."""
        self.out.flush()
        with open(self.log + ".out") as f:
            return f.read().splitlines()

    def said_last(self):
        with open(self.log + ".err") as f:
            return "\n".join(self.lines()[-5:] + f.read().splitlines()[-15:])

    def said(self):
        return json.loads(self.lines()[-1])

    def peak(self):
        """MiB of the largest process."""
        return max((mib for _, mib in self.peaks.values()), default=0)

    def peaks_by_name(self):
        out = {}
        for name, mib in self.peaks.values():
            out[name] = max(out.get(name, 0), round(mib))
        return {name: mib for name, mib in out.items() if mib >= 32}


def below(pid):
    """The process and those that it started."""
    out = [pid]
    try:
        for task in os.listdir("/proc/%d/task" % pid):
            with open("/proc/%d/task/%s/children" % (pid, task)) as f:
                for child in f.read().split():
                    out += below(int(child))
    except (FileNotFoundError, ProcessLookupError):
        pass
    return out


def status(pid, field):
    try:
        with open("/proc/%d/status" % pid) as f:
            found = re.search(r"^%s:\s+(\d+) kB" % field, f.read(), re.M)
            return int(found[1]) / 1024 if found else 0
    except (FileNotFoundError, ProcessLookupError):
        return 0


def name_of(pid, first):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as f:
            words = f.read().split(b"\0")
        name = os.path.basename(words[0].decode())
        return " ".join([name] + [w.decode() for w in words[1:2] if first and not w.startswith(b"/")])+ ("" if first else ", started by it")
    except (FileNotFoundError, ProcessLookupError):
        return "?"

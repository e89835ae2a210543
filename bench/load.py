"""The loads of build/tools/traffic (bench/traffic.c): its clients, with the CPU time of a tunnel between the lines
"begin" and "end" that they print."""
import json
import subprocess
import threading

import cpu

GRACE_S = 120  # a client that says nothing for so long hangs


class LoadError(Exception):
    pass


class Load:
    """A running client of the traffic tool. pids: whose CPU time is wanted."""

    def __init__(self, tool, *args, pids=()):
        self.argv = [str(a) for a in (tool, *args)]
        self.pids, self.cpu_s, self.result = list(pids), None, None
        self.proc = subprocess.Popen(self.argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                     text=True)
        self.watch = threading.Timer(GRACE_S, self.proc.kill)
        self.watch.daemon = True
        self.watch.start()

    def _line(self):
        line = self.proc.stdout.readline().strip()
        if not line:
            self.stop()
            said = self.proc.stderr.read().strip()
            raise LoadError(f"traffic {self.argv[1]}: {said or f'ended with {self.proc.returncode}'}")
        return line

    def _until(self, *words):
        """The line that is one of words, or the JSON."""
        while True:
            line = self._line()
            if line in words:
                return line
            if line.startswith("{"):
                self.result = json.loads(line)
                return line

    def begin(self):
        """Waits until the measured interval begins."""
        if self._until("begin") == "begin" and self.pids:
            self.before_s = cpu.seconds(self.pids)

    def end(self):
        """Waits for the end of the interval and the JSON, which it returns. The client may still hold its connections."""
        if self.result is None and self._until("end") == "end":
            if self.pids:
                self.cpu_s = cpu.seconds(self.pids) - self.before_s
            self._until()
        return self.result

    def stop(self):
        """Lets go of what it holds, and waits for it."""
        self.watch.cancel()
        try:
            self.proc.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.proc.wait(30)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait()

    def finish(self):
        """begin, end and stop; fails when the client did."""
        self.begin()
        result = self.end()
        self.stop()
        self.check()
        return result

    def check(self):
        if self.proc.returncode != 0:
            raise LoadError(f"traffic {self.argv[1]}: exit status {self.proc.returncode}: {self.proc.stderr.read().strip()}")


class Services:
    """The far ends: traffic serve. ports: echo, source, sink, stuck, greet. Those of bulk transfers are a process of their
    own: an echo that waits for its busy neighbour's turn to end would be measured as the tunnel's delay."""

    BULK = ("source", "sink", "stuck")

    def __init__(self, tool):
        self.procs = [subprocess.Popen([str(tool), "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
                      for _ in range(2)]
        self.ports, bulk = (json.loads(p.stdout.readline()) for p in self.procs)
        self.ports.update((name, bulk[name]) for name in self.BULK)

    def stop(self):
        for proc in self.procs:
            proc.kill()
            proc.wait()

"""Operations that go on for ever, side by side, and stop all together for a moment when they are told to."""
import collections
import contextlib
import random
import threading
import time


class Churn:
    """add() operations, begin(); pause() returns when none is under way, resume() lets them go on; end(). What fails with one
    of `expected` is counted and goes on: it lies on a path that is cut on purpose."""
    expected = (OSError, EOFError, AssertionError, ValueError)

    def __init__(self, seed=1):
        self.go, self.over = threading.Event(), threading.Event()
        self.done, self.failed, self.last_failure = collections.Counter(), collections.Counter(), {}
        self.seed, self.threads, self.active = seed, [], 0
        self.lock = threading.Condition()
        self.broken = []

    def add(self, name, operation, rest_s=0.0, times=1):
        """operation(random) again and again, rest_s between two, in so many threads."""
        for i in range(times):
            random_of_its_own = random.Random(f"{self.seed} {name} {i}")
            self.threads.append(threading.Thread(target=self._run, args=(name, operation, rest_s, random_of_its_own),
                                                 daemon=True))

    def begin(self):
        self.go.set()
        for t in self.threads:
            t.start()

    def pause(self, timeout=60):
        self.go.clear()
        with self.lock:
            assert self.lock.wait_for(lambda: self.active == 0, timeout), "an operation does not end"

    def resume(self):
        self.go.set()

    def end(self):
        self.over.set()
        self.go.set()
        for t in self.threads:
            t.join(60)

    @contextlib.contextmanager
    def _turn(self):
        with self.lock:
            self.active += 1
        try:
            yield
        finally:
            with self.lock:
                self.active -= 1
                self.lock.notify_all()

    def _run(self, name, operation, rest_s, dice):
        while not self.over.is_set():
            self.go.wait()
            with self._turn():
                if self.go.is_set() and not self.over.is_set():
                    self._once(name, operation, dice)
            self.over.wait(rest_s * dice.uniform(0.5, 1.5))

    def _once(self, name, operation, dice):
        try:
            operation(dice)
            self.done[name] += 1
        except self.expected as e:
            self.failed[name] += 1
            self.last_failure[name] = f"{type(e).__name__}: {e}"
        except Exception as e:  # a fault of the soak itself: the run is worth nothing
            self.broken.append(f"{name}: {type(e).__name__}: {e}")
            self.over.wait(1)

    def lines(self):
        for name in sorted({*self.done, *self.failed}):
            text = f"{name}: {self.done[name]} done, {self.failed[name]} cut off"
            yield text + (f" (the last: {self.last_failure[name][:120]})" if self.failed[name] else "")


def elapsed():
    """A clock from now on."""
    begin = time.monotonic()
    return lambda: time.monotonic() - begin

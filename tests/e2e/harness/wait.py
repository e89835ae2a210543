"""Waiting for a condition that can be observed, with a deadline. Nothing here sleeps for luck."""
import time


def wait_until(condition, timeout=10.0, what="condition"):
    """Polls until condition() is true and returns what it returned; fails after timeout seconds."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"not within {timeout} s: {what() if callable(what) else what}")
        time.sleep(0.005)


def holds_for(condition, seconds, what="condition"):
    """Asserts that a condition stays true: for behaviour whose point is that nothing happens."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert condition(), f"ended early: {what}"
        time.sleep(0.02)

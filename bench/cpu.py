"""What the kernel accounts to a process: CPU time, memory, and the files that it maps. Wall time on a shared machine
says little, these say much."""
import os
import re


def tree(pid):
    """pid and everything below it."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open(f"/proc/{entry}/stat") as f:
                    children.setdefault(int(f.read().rsplit(")", 1)[1].split()[1]), []).append(int(entry))
            except OSError:
                pass  # ended meanwhile
    found = [pid]
    for one in found:
        found += children.get(one, [])
    return found


def _scheduled_s(pid):
    """Time on a CPU of all threads that are there now, from the scheduler: nanoseconds."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as f:
            total += int(f.read().split()[0])
    return total / 1e9


def _ticks_s(pid):
    """The same from utime and stime, in ticks of 10 ms: for kernels without schedstat."""
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def seconds(pids):
    """CPU seconds of these processes until now."""
    read = _scheduled_s if os.path.exists("/proc/self/schedstat") else _ticks_s
    return sum(read(pid) for pid in pids)


def _kb(path, field):
    with open(path) as f:
        found = re.search(rf"^{field}:\s+(\d+) kB", f.read(), re.M)
    return int(found.group(1)) * 1024


def rss(pids):
    """Resident bytes, shared libraries in full."""
    return sum(_kb(f"/proc/{pid}/status", "VmRSS") for pid in pids)


def pss(pids):
    """Resident bytes, shared pages by share."""
    return sum(_kb(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids)


def peak(pids):
    """The most that was resident since peak_reset."""
    return sum(_kb(f"/proc/{pid}/status", "VmHWM") for pid in pids)


def peak_reset(pids):
    for pid in pids:
        with open(f"/proc/{pid}/clear_refs", "w") as f:
            f.write("5")


def mapped_files(pids):
    """The program, its libraries and its loader: every file of which something is mapped to be executed."""
    files = set()
    for pid in pids:
        with open(f"/proc/{pid}/maps") as f:
            for line in f:
                fields = line.split(None, 5)
                if "x" in fields[1] and len(fields) == 6 and fields[5].startswith("/"):
                    files.add(fields[5].strip())
    return files


def mapped_bytes(pids):
    return sum(os.path.getsize(path) for path in mapped_files(pids))

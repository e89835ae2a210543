"""What a soak has measured, and what it says: samples over time, the slope of their memory, a verdict, graphs."""
import csv
import statistics
from dataclasses import dataclass, fields

LIMIT_PERCENT = 1.0  # how much more memory there may be at the window's end than at its beginning
WINDOW = 0.75        # the part of the run that counts, from its end: before it, caches and rings fill up
QUIET_MIN = 6        # quiet samples without which there is no verdict


@dataclass
class Sample:
    """A process at an instant. is_quiet: no churn, all of it has come to rest. rss_kb: what is resident and was not given back."""
    at_s: float
    is_quiet: bool
    rss_kb: int
    pss_kb: int
    fds: int
    threads: int


def slope(points):
    """Theil and Sen's: the median of the slopes of all pairs. A quarter of the points may be anything."""
    pairs = [(y2 - y1) / (x2 - x1) for i, (x1, y1) in enumerate(points) for x2, y2 in points[i + 1:] if x2 > x1]
    return statistics.median(pairs)


def thin(points, most=150):
    """All pairs of very many points are too many: every nth."""
    return points[::len(points) // most + 1]


@dataclass
class Fit:
    """Memory along a straight line: its middle, and how much it grows over the window."""
    middle_kb: float
    kb_per_hour: float
    percent: float


def fit(samples, window_s):
    points = thin([(s.at_s, s.rss_kb) for s in samples])
    middle, kb_per_s = statistics.median(y for _, y in points), slope(points)
    return Fit(middle, kb_per_s * 3600, 100 * kb_per_s * window_s / middle)


class Verdict:
    """What the last part of a run says of one process. is_short: a run of which the memory says nothing yet; all of it
    counts for descriptors and threads."""

    def __init__(self, samples, is_short=False):
        self.window_s = (samples[-1].at_s - samples[0].at_s) * WINDOW
        begin = 0 if is_short else samples[-1].at_s - self.window_s
        self.all = [s for s in samples if s.at_s >= begin]
        self.quiet = [s for s in self.all if s.is_quiet]
        self.failures, self.at_rest, self.in_churn = [], None, None
        if not is_short:
            self._judge_memory()
        for name in ("fds", "threads"):
            seen = sorted({getattr(s, name) for s in self.quiet})
            if len(seen) != 1:
                self.failures.append(f"{name} at rest differ: {seen}")

    def _judge_memory(self):
        if len(self.quiet) < QUIET_MIN:
            self.failures.append(f"only {len(self.quiet)} quiet instants: {QUIET_MIN} are the least")
            return
        self.at_rest, self.in_churn = fit(self.quiet, self.window_s), fit(self.all, self.window_s)
        if self.at_rest.percent > LIMIT_PERCENT:
            self.failures.append(f"memory at rest grows by {self.at_rest.percent:.2f} % over the window")

    def lines(self):
        if self.at_rest:
            for name, f, n in (("at rest", self.at_rest, len(self.quiet)), ("all samples", self.in_churn, len(self.all))):
                yield (f"memory, {name}: {f.middle_kb:.0f} kB, slope {f.percent:+.2f} % over the last "
                       f"{self.window_s / 60:.1f} min ({f.kb_per_hour:+.0f} kB an hour, {n} samples)")
        yield (f"at rest: descriptors {sorted({s.fds for s in self.quiet})}, "
               f"threads {sorted({s.threads for s in self.quiet})}")
        yield from (f"FAILED: {text}" for text in self.failures)


# ---- Files and pictures

def write_csv(path, samples):
    with open(path, "w", newline="") as f:
        out = csv.writer(f)
        out.writerow([field.name for field in fields(Sample)])
        out.writerows([f"{s.at_s:.1f}", int(s.is_quiet), s.rss_kb, s.pss_kb, s.fds, s.threads] for s in samples)


def read_csv(path):
    with open(path, newline="") as f:
        return [Sample(float(r["at_s"]), r["is_quiet"] == "1", *(int(r[k]) for k in ("rss_kb", "pss_kb", "fds", "threads")))
                for r in csv.DictReader(f)]


def graph(samples, width=100, height=12):
    """Memory over time in text: `.` in churn, `o` at rest; the vertical axis begins at 0."""
    top = max(s.rss_kb for s in samples) * 1.05
    last = max(samples[-1].at_s, 1e-9)
    rows = [[" "] * width for _ in range(height)]
    for s in sorted(samples, key=lambda s: s.is_quiet):
        x = min(int(s.at_s / last * width), width - 1)
        y = height - 1 - min(int(s.rss_kb / top * height), height - 1)
        rows[y][x] = "o" if s.is_quiet else "."
    labels = [f"{top * (height - i) / height:7.0f} |" for i in range(height)]
    lines = [label + "".join(row).rstrip() for label, row in zip(labels, rows)]
    foot = f"{'0':>7} +{'-' * width}\n{' kB':7}  0{'minutes':^{width - 6}}{last / 60:5.1f}"
    return "\n".join(lines) + "\n" + foot


def svg(title, samples, width=800, height=260):
    """The same as a picture: a line for all samples, dots at rest, the window in grey, the fitted line."""
    left, top, right, bottom = 60, 30, width - 15, height - 35
    most, last = max(s.rss_kb for s in samples) * 1.05, max(samples[-1].at_s, 1e-9)

    def place(at_s, kb):
        return f"{left + at_s / last * (right - left):.1f},{bottom - kb / most * (bottom - top):.1f}"

    verdict = Verdict(samples)
    begin = last - verdict.window_s
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">',
             f'<rect width="{width}" height="{height}" fill="#fff"/>',
             f'<rect x="{place(begin, 0).split(",")[0]}" y="{top}" width="{verdict.window_s / last * (right - left):.1f}" '
             f'height="{bottom - top}" fill="#eee"/>',
             f'<text x="{left}" y="18">{title}</text>',
             f'<path d="M{left},{top}V{bottom}H{right}" fill="none" stroke="#000"/>',
             '<polyline fill="none" stroke="#9bd" points="' + " ".join(place(s.at_s, s.rss_kb) for s in samples) + '"/>']
    for s in samples:
        if s.is_quiet:
            x, y = place(s.at_s, s.rss_kb).split(",")
            parts.append(f'<circle cx="{x}" cy="{y}" r="2" fill="#036"/>')
    if verdict.at_rest:
        grow = verdict.at_rest.kb_per_hour / 3600 * verdict.window_s / 2
        ends = (place(begin, verdict.at_rest.middle_kb - grow), place(last, verdict.at_rest.middle_kb + grow))
        parts.append(f'<polyline fill="none" stroke="#c00" points="{" ".join(ends)}"/>')
    for i in range(5):
        x, y = place(last * i / 4, most * i / 4).split(",")
        parts.append(f'<text x="{left - 5}" y="{float(y) + 4:.0f}" text-anchor="end">{most * i / 4:.0f}</text>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{last * i / 240:.1f}</text>')
    parts.append(f'<text x="{(left + right) / 2:.0f}" y="{height - 5}" text-anchor="middle">minutes (kB on the left)</text></svg>')
    return "\n".join(parts) + "\n"

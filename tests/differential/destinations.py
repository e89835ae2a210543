"""Destinations and jump hosts: `ssh -G [-J LIST] [-l USER] [-p PORT] DEST`."""
ROUNDS = 8
QUESTIONS = 20
USERS = ["me", "a.b", "u:p", "u;x", "dom\\me", "a@b", "", "-u", "u u", "u$", "u'", 'u"', "%r", "ü", "u%20x", "u%40b", "u%00", "u%zz", "u-", "\x1b"]
NAMES = ["h", "H.Example", "h.example", "10.0.0.1", "[::1]", "::1", "[fe80::1%eth0]", "fe80::1", "", "-h", "h h", "h%41", "h;x", "h_x", "h'", "h.",
         ".h", "h,i", "*", "%h", "h\\x", "[h]", "x" * 255, "x" * 1100,
         "h/", "ssh", "h%2fx", "h:"]
PORTS = ["22", "2222", "0", "65535", "65536", "", "x", "-1", "022", "+22", "22x"]
LETTERS = ":/[]@%\\ ,.-=0a"


def place(rng):
    text = rng.choice([""] * 3 + ["ssh://"] * 2 + ["SSH://", "ssh:/", "scp://"][:rng.choice([1, 3])])
    if rng.random() < 0.6:
        text += rng.choice(USERS[:3] if rng.random() < 0.6 else USERS) + "@"
    text += rng.choice(NAMES[:6] if rng.random() < 0.6 else NAMES)
    if rng.random() < 0.5:
        text += ":" + rng.choice(PORTS[:2] if rng.random() < 0.5 else PORTS)
    text += rng.choice([""] * 8 + ["/", "/p", "?q", "#f", "//"])
    if rng.random() < 0.1:
        at = rng.randrange(len(text) + 1)
        text = rng.choice([text[:at] + rng.choice(LETTERS) + text[at:], text[:at] + text[at + 1:]])
    return text


def words(rng):
    found = []
    if rng.random() < 0.4:
        found += ["-J", ",".join(place(rng) for _ in range(rng.choice([1, 1, 2, 3])))]
    if rng.random() < 0.2:
        found += ["-l", rng.choice(USERS)]
    if rng.random() < 0.2:
        found += ["-p", rng.choice(PORTS)]
    return found + (["-oProxyJump=" + place(rng)] if rng.random() < 0.2 else []) + ["--" if rng.random() < 0.5 else "-v", rng.choice([place(rng),
        place(rng), "h"])]


def dump(run, args):
    code, out, err = run("-F", "none", "-G", *args)
    if code:
        return None, err.decode("utf-8", "replace").strip().split("\n")[-1]
    keywords = ("host ", "user ", "hostname ", "port ", "proxyjump ", "proxycommand ")
    return [x for x in out.decode("utf-8", "replace").splitlines() if x.startswith(keywords)], ""


def play(world, rng, result):
    for _ in range(QUESTIONS):
        args = words(rng)
        (ours, why), (theirs, error) = dump(world.adit, args), dump(world.ssh, args)
        result.compare("destination", args, ours, theirs, why + " | " + error)

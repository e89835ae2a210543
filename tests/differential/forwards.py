"""What -L, -R, -D and -W may say: `ssh -G -L SPEC h`."""
ROUNDS = 8
SPECS = 20
HOSTS = ["h", "localhost", "127.0.0.1", "[::1]", "::1", "*", "", "[h]", "/s", "/s/t", "[/s]", "h.example", "%h", "${HOME}/s", "a b", "h\\:1",
         "[2001:db8::1]", "fe80::1%eth0", "-h", "H", "0.0.0.0",
         "x" * 255, "x" * 1025]
PORTS = ["80", "8080", "0", "65535", "65536", "-1", "+80", "080", "http", "ssh", "80x", "", "/s", " 80", "80 ", "1", "99999999999", "0x50", "80/tcp"]
LETTERS = ":/[]\\*%~ ,.-@=0a"


def damaged(rng, text):
    at = rng.randrange(len(text) + 1)
    return rng.choice([text[:at] + rng.choice(LETTERS) + text[at:], text[:at] + text[at + 1:], text[:at] + rng.choice(LETTERS) + text[at + 1:]])


def spec(rng):
    parts = [rng.choice(HOSTS if (n % 2 == 0) else PORTS) for n in range(4)][rng.choice([0, 1, 1, 1]):]
    if rng.random() < 0.25:
        parts = [rng.choice(HOSTS + PORTS) for _ in range(rng.choice([1, 2, 2, 3, 4, 5]))]
    if rng.random() < 0.35:
        parts = [rng.choice(PORTS + ["80", "8080"])] if rng.random() < 0.5 else [rng.choice(HOSTS), rng.choice(PORTS)]
    text = rng.choice([":"] * 9 + ["/"]).join(parts)
    return damaged(rng, text) if rng.random() < 0.2 else text


def dump(run, flag, text):
    """The lines that the flag has made, or None."""
    code, out, err = run("-F", "none", f"-{flag}{text}" if text else f"-{flag}", *([""] if not text else []), "-G", "h")
    if code:
        return None, err.decode("latin-1").strip()
    keywords = ("localforward ", "remoteforward ", "dynamicforward ", "stdioforward ", "clearallforwardings ", "exitonforwardfailure ")
    return [x for x in out.decode("latin-1").splitlines() if x.startswith(keywords)], ""


def play(world, rng, result):
    for _ in range(SPECS):
        flag, text = rng.choice("LLRRDW"), spec(rng)
        (ours, why), (theirs, error) = dump(world.adit, flag, text), dump(world.ssh, flag, text)
        if ours and theirs:
            ours, theirs = [x for x in ours if x in ours and x.split(" ")[0] in {t.split(" ")[0] for t in theirs}], theirs
        result.compare(f"-{flag}", text, ours, theirs, why + " | " + error)

"""One name of an Include's pattern: adit's matcher against the C library's fnmatch(3), in the locale C."""
import ctypes

ROUNDS = 20
NAMES = 200
LETTERS = "abAB01-.]!^\\*?[_~ "


def pattern(rng):
    made = ""
    for _ in range(rng.choice([0, 1, 2, 3, 5, 8])):
        made += rng.choice([rng.choice("abAB01"), rng.choice(LETTERS), "*", "?",
                            f"[{'!' * rng.choice([0, 0, 1])}{''.join(rng.choices('abAB01-]!', k=rng.choice([1, 2, 3])))}]",
                            f"[{rng.choice('aA0')}-{rng.choice('bB1z')}]", "\\" + rng.choice(LETTERS), "["])
    return made


def name(rng):
    return "".join(rng.choices("aabbAB01-.]!^\\*?[", k=rng.choice([0, 1, 2, 3, 5, 8])))


def play(world, rng, result):
    fnmatch = ctypes.CDLL(None).fnmatch
    for _ in range(NAMES):
        what, text = pattern(rng), name(rng)
        said = world.ask("glob", what, text)[0] == b"yes"
        result.compare("glob", (what, text), said, fnmatch(what.encode(), text.encode(), 0) == 0)

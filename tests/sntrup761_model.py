#!/usr/bin/python3
"""sntrup761_model.py - Streamlined NTRU Prime 761 in plain Python, written from the round-3 submission: slow, not
constant-time, and sharing no method with crypto/sntrup761*.c (schoolbook products, Euclid's algorithm, divisions).

Run alone it prints the values that tests/test_sntrup761.c compares with. Given a file of known answers ("ct = HEX"
lines of cases with sk, ct, ss) it checks itself against those.
"""
import hashlib
import struct
import sys

P, Q, W = 761, 4591, 286


# ---- the random bytes of crypto/drbg.c: ChaCha20 with fast key erasure, 480 bytes a piece ----

def chacha20(key, n):
    state = list(struct.unpack("<4I", b"expand 32-byte k")) + list(struct.unpack("<8I", key))
    out = b""
    for counter in range((n + 63) // 64):
        start = state + [counter, 0, 0, 0]
        x = start[:]

        def quarter(a, b, c, d):
            for i, j, k, turn in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
                x[i] = (x[i] + x[j]) & 0xffffffff
                x[k] ^= x[i]
                x[k] = (x[k] << turn | x[k] >> (32 - turn)) & 0xffffffff

        for _ in range(10):
            for i in range(4):
                quarter(i, 4 + i, 8 + i, 12 + i)
            for i in range(4):
                quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
        out += struct.pack("<16I", *((a + b) & 0xffffffff for a, b in zip(x, start)))
    return out[:n]


class Random:
    def __init__(self, seed):
        self.key = seed

    def bytes(self, n):
        out = b""
        while len(out) < n:
            give = min(n - len(out), 512 - 32)
            piece = chacha20(self.key, 32 + give)
            self.key, out = piece[:32], out + piece[32:]
        return out

    def words(self):
        return struct.unpack("<%dI" % P, self.bytes(4 * P))


# ---- polynomials: lists of integers, the constant first ----

def centered(x, m):
    return (x + m // 2) % m - m // 2


def multiply(a, b, m):
    full = [0] * (2 * P)
    for i, x in enumerate(a):
        if x:
            for j, y in enumerate(b):
                full[i + j] += x * y
    for i in range(2 * P - 1, P - 1, -1):  # x^761 = x + 1
        full[i - P] += full[i]
        full[i - P + 1] += full[i]
    return [centered(x, m) for x in full[:P]]


def trimmed(a):
    while a and a[-1] == 0:
        a.pop()
    return a


def minus_multiple(a, factor, shift, b, m):
    a = a + [0] * (len(b) + shift - len(a))
    for i, x in enumerate(b):
        a[i + shift] = (a[i + shift] - factor * x) % m
    return trimmed(a)


def invert(a, m):
    """1/a modulo m and x^761 - x - 1 by Euclid's algorithm, or None."""
    r0, r1 = [m - 1, m - 1] + [0] * (P - 2) + [1], trimmed([x % m for x in a])
    v0, v1 = [], [1]
    while len(r1) > 1:
        while len(r0) >= len(r1):
            factor, shift = r0[-1] * pow(r1[-1], -1, m) % m, len(r0) - len(r1)
            r0, v0 = minus_multiple(r0, factor, shift, r1, m), minus_multiple(v0, factor, shift, v1, m)
        r0, r1, v0, v1 = r1, r0, v1, v0
    if not r1:
        return None
    scale = pow(r1[0], -1, m)
    return [centered(x * scale, m) for x in v1 + [0] * (P - len(v1))]


def small_random(random):
    return [((w & 0x3fffffff) * 3 >> 30) - 1 for w in random.words()]


def short_random(random):
    words = [w & ~1 if i < W else w & ~3 | 1 for i, w in enumerate(random.words())]
    return [(w & 3) - 1 for w in sorted(words)]


# ---- bytes ----

def encode(numbers, ranges):
    out = []
    while len(numbers) > 1:
        pairs, pair_ranges = [], []
        for i in range(0, len(numbers) - 1, 2):
            number, m = numbers[i] + numbers[i + 1] * ranges[i], ranges[i] * ranges[i + 1]
            while m >= 16384:
                out.append(number % 256)
                number, m = number // 256, (m + 255) // 256
            pairs.append(number)
            pair_ranges.append(m)
        if len(numbers) % 2:
            pairs.append(numbers[-1])
            pair_ranges.append(ranges[-1])
        numbers, ranges = pairs, pair_ranges
    number, m = numbers[0], ranges[0]
    while m > 1:
        out.append(number % 256)
        number, m = number // 256, (m + 255) // 256
    return bytes(out)


def decode(data, ranges):
    if len(ranges) == 1:
        return [int.from_bytes(data, "little") % ranges[0]]
    lows, next_ranges, at = [], [], 0
    for i in range(0, len(ranges) - 1, 2):
        m, low, unit = ranges[i] * ranges[i + 1], 0, 1
        while m >= 16384:
            low, unit, at, m = low + unit * data[at], unit * 256, at + 1, (m + 255) // 256
        lows.append((low, unit))
        next_ranges.append(m)
    if len(ranges) % 2:
        next_ranges.append(ranges[-1])
    upper = decode(data[at:], next_ranges)
    out = []
    for i, (low, unit) in enumerate(lows):
        number = low + unit * upper[i]
        out += [number % ranges[2 * i], number // ranges[2 * i] % ranges[2 * i + 1]]
    return out + (upper[-1:] if len(ranges) % 2 else [])


def small_encode(a):
    numbers = [x + 1 for x in a] + [0] * 3
    return bytes(sum(numbers[i + k] << 2 * k for k in range(4)) for i in range(0, P, 4))


def small_decode(data):
    return [(data[i // 4] >> i % 4 * 2 & 3) - 1 for i in range(P)]


def rq_encode(a):
    return encode([x + Q // 2 for x in a], [Q] * P)


def rq_decode(data):
    return [x - Q // 2 for x in decode(data, [Q] * P)]


def rounded_encode(a):
    return encode([(x + Q // 2) // 3 for x in a], [(Q + 2) // 3] * P)


def rounded_decode(data):
    return [3 * x - Q // 2 for x in decode(data, [(Q + 2) // 3] * P)]


# ---- the mechanism ----

def hashed(b, data):
    return hashlib.sha512(bytes([b]) + data).digest()[:32]


def keypair(seed):
    random = Random(seed)
    g, f = small_random(random), short_random(random)
    rho, g_inverse = random.bytes(191), invert(g, 3)
    if g_inverse is None:
        return None
    pk = rq_encode(multiply(g, invert([3 * x for x in f], Q), Q))
    return pk, small_encode(f) + small_encode(g_inverse) + pk + rho + hashed(4, pk)


def encrypt(r, pk):
    product = multiply(r, rq_decode(pk), Q)
    rounded = [x - centered(x, 3) for x in product]
    return rounded_encode(rounded) + hashed(2, hashed(3, small_encode(r)) + hashed(4, pk))


def session(b, r_bytes, ct):
    return hashed(b, hashed(3, r_bytes) + ct)


def encaps(pk, seed):
    r = short_random(Random(seed))
    ct = encrypt(r, pk)
    return ct, session(1, small_encode(r), ct)


def decaps(sk, ct):
    f, g_inverse = small_decode(sk[:191]), small_decode(sk[191:382])
    pk, rho = sk[382:1540], sk[1540:1731]
    e = [centered(centered(3 * x, Q), 3) for x in multiply(f, rounded_decode(ct[:1007]), Q)]
    r = multiply(g_inverse, e, 3)
    if sum(map(abs, r)) != W:
        r = [1] * W + [0] * (P - W)
    if encrypt(r, pk) == ct:
        return session(1, small_encode(r), ct)
    return session(0, rho, ct)


def check(path):
    case, passed = {}, 0
    for line in open(path, encoding="ascii"):
        name, _, value = line.strip().partition(" = ")
        case[name] = value
        if name == "ss":
            assert decaps(bytes.fromhex(case["sk"]), bytes.fromhex(case["ct"])).hex() == value, case["count"]
            passed += 1
    print("%d cases passed" % passed)


def short_hash(data):
    return hashlib.sha256(data).hexdigest()


def main():
    for first in (7, 8):
        pk, sk = keypair(bytes([first] * 32))
        ct, ss = encaps(pk, bytes([first + 100] * 32))
        assert decaps(sk, ct) == ss
        forged = bytes([ct[0] ^ 1]) + ct[1:]
        print("seed %d: SHA-256 of pk %s\nof sk %s\nof ct %s\nss %s\nss of ct with the first bit changed %s" % (
            first, short_hash(pk), short_hash(sk), short_hash(ct), ss.hex(), decaps(sk, forged).hex()))
    tries = [i for i in range(int(sys.argv[2]) if len(sys.argv) > 2 else 0)
             if invert(small_random(Random(bytes([i % 256, i // 256] + [0] * 30))), 3) is None]
    print("seeds without an inverse: %s" % tries)


if __name__ == "__main__":
    main() if len(sys.argv) != 2 else check(sys.argv[1])

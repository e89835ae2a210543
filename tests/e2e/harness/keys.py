"""Keys made by ssh-keygen, in one folder a run."""
import os
import subprocess
from pathlib import Path

HOST_TYPES = {
    "ed25519": ("ed25519", None),
    "ecdsa256": ("ecdsa", 256),
    "ecdsa384": ("ecdsa", 384),
    "ecdsa521": ("ecdsa", 521),
    "rsa": ("rsa", 2048),
}


def keygen(path, kind="ed25519", bits=None, passphrase="", extra=()):
    """Makes a key pair at path unless it is there; returns path."""
    path = Path(path)
    if not path.exists():
        bits_args = ["-b", str(bits)] if bits else []
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *bits_args, "-N", passphrase, "-C", "test", *extra,
                        "-f", str(path)], check=True, stdin=subprocess.DEVNULL)
    return path


def make(folder, name):
    """A key of one of HOST_TYPES."""
    kind, bits = HOST_TYPES[name]
    return keygen(Path(folder) / name, kind, bits)


def public(path):
    """'type base64' of a key, without its comment."""
    return " ".join(Path(str(path) + ".pub").read_text().split()[:2])


def fingerprint(path):
    out = subprocess.run(["ssh-keygen", "-l", "-f", str(path) + ".pub"], check=True, capture_output=True,
                         text=True).stdout
    return out.split()[1]


def copy_private(source, target, mode=0o600):
    target = Path(target)
    target.write_bytes(Path(source).read_bytes())
    os.chmod(target, mode)
    return target

"""Servers, keys and programs that all runs share."""
import os
import pathlib
import subprocess

from harness import keys, proxies, servers, traffic


class World:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        made = self.folder / "world"
        for name in ("", "sshd", "other", "two", "keys", "keys2"):
            (made / name).mkdir()
        self.key = keys.keygen(made / "id")
        authority = keys.keygen(made / "authority")
        certified = keys.keygen(made / "certified")
        subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", "test", "-n", servers.ME, f"{certified}.pub"], check=True)
        self.certificate = made / "certified-cert.pub"
        self.locked_key = keys.keygen(made / "locked", passphrase="secret", extra=("-a", "1"))
        self.askpass = made / "askpass"
        self.askpass.write_text("#!/bin/sh\necho secret\n")
        self.askpass.chmod(0o755)
        authorized = [keys.public(self.key), keys.public(self.locked_key), f"cert-authority {keys.public(authority)}"]
        # Whatever the account's shell is: it finds no start-up files.
        options = {"AcceptEnv": "LC_X", "SetEnv": f"HOME={made}", "PermitUserRC": "no"}
        self.sshd = servers.Sshd(made / "sshd", made / "keys", authorized, options, log_level="ERROR")
        self.other = servers.Sshd(made / "other", made / "keys", authorized, options, log_level="ERROR")
        self.two = servers.Sshd(made / "two", made / "keys2", authorized, options, ("ed25519", "ecdsa256"), log_level="ERROR")
        self.host_keys = {keys.public(k) for s in (self.sshd, self.two) for k in s.host_keys} | {keys.public(self.key)}
        self.echo = traffic.echo()
        self.socks = proxies.SocksProxy()
        self.netcat = proxies.netcat(made)
        self.agent = made / "agent"
        self.agent_process = subprocess.Popen(["ssh-agent", "-D", "-a", str(self.agent)], stdout=subprocess.DEVNULL,
                                              stdin=subprocess.DEVNULL, start_new_session=True)
        servers.wait_until(lambda: not traffic.is_refused(str(self.agent)))
        subprocess.run(["ssh-add", "-q", str(self.key)], check=True, env={**os.environ, "SSH_AUTH_SOCK": str(self.agent)})

    def close(self):
        self.agent_process.kill()
        self.agent_process.wait()
        for s in (self.sshd, self.other, self.two):
            s.stop()
        self.socks.close()
        self.echo.close()

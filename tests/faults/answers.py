"""What an answer of the API must hold when it is called fine: a body that memory has cut is none."""

FILLED = ("id", "name", "origin", "status", "state", "spec", "via", "created_at")


def tunnel_lacks(t):
    """What a T is short of, or ""."""
    empty = [f for f in FILLED if not t.get(f)]
    forwards, listen = t.get("forwards"), t.get("listen")
    if not forwards or not isinstance(listen, list):
        return f"{t.get('name')} has no forwards, or no list of listeners"
    empty += [f"forwards {f}" for f in ("type", "target", "state") for one in forwards if not (one or {}).get(f)]
    empty += [] if all(listen) else ["listen"]
    if t["state"] == "connected" and not empty:
        empty += [f for f in ("listen", "bound_port") if not t[f]]
        empty += [f"forwards {f}" for f in ("listen", "bound_port") for one in forwards if not one[f]]
    if t["state"] == "failed":
        empty += [f for f in ("last_error", "last_error_kind", "last_error_at") if not t[f]]
    return f"{t.get('name')} has nothing in {', '.join(empty)}" if empty else ""


def tunnels_lack(body, names):
    listed = {t and t.get("name") for t in body["tunnels"]}
    if listed != names:
        return f"its tunnels are {listed}, not {names}"
    return next((lack for lack in map(tunnel_lacks, body["tunnels"]) if lack), "")


def ready_lacks(status, body, names):
    missing = body["not_ready"]
    if not isinstance(missing, list) or not set(missing) <= names:
        return f"not_ready has others than {names}"
    return "" if body["ready"] == (status == 200) == (missing == []) else "its status, ready and not_ready are at odds"


def lacks(path, got, names):
    """Why an answer with a status that is right is none, or "". names: of the tunnels that there are."""
    path = path.partition("?")[0]
    if path == "/readyz":
        return ready_lacks(got.status, got.json, names)
    if got.status not in (200, 201):
        return ""
    if path == "/tunnels" and got.status == 200 or path == "/tunnels/status":
        return tunnels_lack(got.json, names)
    if path.startswith("/tunnels") and not path.endswith("/connections"):
        return tunnel_lacks(got.json)
    if path == "/profiles":
        listed = [p and p.get("id") for p in got.json["profiles"]]
        return "" if sorted(map(str, listed)) == ["box", "default"] else f"its profiles are {listed}"
    if path == "/metrics":
        return "" if got.body.endswith(b"\n") and all(n.encode() in got.body for n in names) else f"it is cut, or lacks one of {names}"
    if path == "/version":
        return "" if all(got.json.get(f) for f in ("version", "api", "pid", "started_at")) else "a field is empty"
    return ""

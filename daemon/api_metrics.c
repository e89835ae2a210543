/*
 * api_metrics.c - GET /metrics: Prometheus' text format 0.0.4. Base units; no label that grows with use.
 */
#include "daemon/api_internal.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- The format */

static void family(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* A label's value: backslash, quote and line end are escaped. */
static void label(struct buffer *out, const char *before, const char *name, const char *value)
{
    buffer_format(out, "%s%s=\"", before, name);
    for (const char *p = value; *p; p++) {
        if (*p == '\n')
            buffer_text(out, "\\n");
        else if (*p == '\\' || *p == '"')
            buffer_format(out, "\\%c", *p);
        else
            buffer_add(out, span_make(p, 1));
    }
    buffer_text(out, "\"");
}

static void value(struct buffer *out, uint64_t n)
{
    buffer_format(out, "} %llu\n", (unsigned long long)n);
}

/* ---- A tunnel's */

/* Whose samples these are. Two of the same labels are an error: tunnels of sessions may be called alike, and
 * then the id tells them apart. */
static const char *label_of(const struct tunnels *all, const struct tunnel *t)
{
    const struct definition *d = tunnel_definition(t);
    bool is_before = true;

    if (d->origin != DEFINITION_SESSION)
        return d->name;
    for (const struct tunnel *o = tunnels_first(all); o; o = tunnels_next(o)) {
        const struct definition *other = tunnel_definition(o);

        is_before = is_before && o != t;
        if (o != t && (is_before || other->origin != DEFINITION_SESSION) && strcmp(other->name, d->name) == 0)
            return d->id;
    }
    return d->name;
}

static void add_up(struct buffer *out, const char *name, const char *who, const struct tunnel *t)
{
    const struct definition *d = tunnel_definition(t);

    buffer_text(out, name);
    label(out, "{", "tunnel", who);
    label(out, ",", "type", d->forward_count ? definition_type_name(d->forwards[0].type) : "");
    value(out, tunnel_status(t)->state == KEEP_CONNECTED);
}

static void add_state(struct buffer *out, const char *name, const char *who, const struct tunnel *t)
{
    for (int state = 0; state <= KEEP_FAILED; state++) {
        buffer_text(out, name);
        label(out, "{", "tunnel", who);
        label(out, ",", "state", keep_state_name((enum keep_state)state));
        value(out, tunnel_status(t)->state == (enum keep_state)state);
    }
}

static void add_with(struct buffer *out, const char *name, const char *who, const char *label_name,
                     const char *label_value, uint64_t n)
{
    buffer_text(out, name);
    label(out, "{", "tunnel", who);
    if (label_name)
        label(out, ",", label_name, label_value);
    value(out, n);
}

static void add_bytes(struct buffer *out, const char *name, const char *who, const struct tunnel *t)
{
    add_with(out, name, who, "direction", "sent", tunnel_status(t)->counters.bytes_up);
    add_with(out, name, who, "direction", "received", tunnel_status(t)->counters.bytes_down);
}

static void add_active(struct buffer *out, const char *name, const char *who, const struct tunnel *t)
{
    add_with(out, name, who, NULL, NULL, tunnel_status(t)->counters.open_now);
}

static void add_total(struct buffer *out, const char *name, const char *who, const struct tunnel *t)
{
    add_with(out, name, who, NULL, NULL, tunnel_status(t)->counters.opened);
}

static void add_failures(struct buffer *out, const char *name, const char *who, const struct tunnel *t)
{
    const struct tunnel_counters *c = &tunnel_status(t)->counters;

    add_with(out, name, who, "reason", "refused", c->refused);
    add_with(out, name, who, "reason", "prohibited", c->prohibited);
    add_with(out, name, who, "reason", "timeout", c->timeout);
    add_with(out, name, who, "reason", "resolve", c->resolve);
    add_with(out, name, who, "reason", "local_refused", c->local_refused);
    add_with(out, name, who, "reason", "denied", c->denied);
}

static void add_bound(struct buffer *out, const char *name, const char *who, const struct tunnel *t)
{
    add_with(out, name, who, NULL, NULL, tunnel_status(t)->listening);
}

/* Where nothing was ever answered there is no time to tell. */
static void add_probe(struct buffer *out, const char *name, const char *who, const struct tunnel *t)
{
    int64_t at = tunnel_status(t)->last_alive_at;

    if (at > 0)
        add_with(out, name, who, NULL, NULL, (uint64_t)at);
}

static const struct {
    const char *name, *type, *help;
    void (*add)(struct buffer *out, const char *name, const char *who, const struct tunnel *t);
} of_tunnels[] = {
    {"adit_tunnel_up", "gauge", "1: the tunnel is connected, with every forward.", add_up},
    {"adit_tunnel_state", "gauge", "1 for the state that the tunnel is in.", add_state},
    {"adit_tunnel_bytes_total", "counter", "Payload sent towards the SSH server, and received from it.",
     add_bytes},
    {"adit_tunnel_connections_active", "gauge", "Connections that are open through the tunnel.", add_active},
    {"adit_tunnel_connections_total", "counter", "Connections that were opened through the tunnel.",
     add_total},
    {"adit_tunnel_connection_failures_total", "counter", "Connections that failed, by reason.", add_failures},
    {"adit_forward_bound", "gauge", "1: the tunnel's listeners are bound.", add_bound},
    {"adit_tunnel_last_probe_timestamp_seconds", "gauge",
     "When a probe, a keepalive or anything else was answered last.", add_probe},
};

/* ---- A transport's: an SSH connection, which several tunnels may share */

static bool is_first_of_transport(const struct tunnels *all, const struct tunnel *t)
{
    for (const struct tunnel *o = tunnels_first(all); o && o != t; o = tunnels_next(o))
        if (strcmp(tunnel_transport(o), tunnel_transport(t)) == 0)
            return false;
    return true;
}

static uint64_t reconnects_of(const struct tunnel_status *s)
{
    return s->reconnects;
}

static uint64_t rekeys_of(const struct tunnel_status *s)
{
    return s->rekeys;
}

static uint64_t up_since_of(const struct tunnel_status *s)
{
    return s->up_since > 0 ? (uint64_t)s->up_since : 0;
}

static uint64_t rtt_us_of(const struct tunnel_status *s)
{
    return s->rtt_us;
}

static const struct {
    const char *name, *type, *help;
    uint64_t (*of)(const struct tunnel_status *s);
    bool is_us, only_if_known;
} of_transports[] = {
    {"adit_transport_reconnects_total", "counter", "SSH connections after the first.", reconnects_of, false,
     false},
    {"adit_transport_rtt_seconds", "gauge", "Round trip to the SSH server.", rtt_us_of, true, true},
    {"adit_transport_connected_timestamp_seconds", "gauge", "Since when it is connected.", up_since_of, false,
     true},
    {"adit_transport_rekeys_total", "counter", "Exchanges of keys after the first.", rekeys_of, false, false},
};

static void add_transport(struct buffer *out, const struct tunnel *first, size_t which)
{
    uint64_t n = 0;

    for (const struct tunnel *t = first; t; t = tunnels_next(t)) {
        uint64_t its = strcmp(tunnel_transport(t), tunnel_transport(first)) == 0
                           ? of_transports[which].of(tunnel_status(t))
                           : 0;

        n = its > n ? its : n;
    }
    if (n == 0 && of_transports[which].only_if_known)
        return;
    buffer_text(out, of_transports[which].name);
    label(out, "{", "transport", tunnel_transport(first));
    if (of_transports[which].is_us)
        buffer_format(out, "} %llu.%06llu\n", (unsigned long long)(n / 1000000),
                      (unsigned long long)(n % 1000000));
    else
        value(out, n);
}

/* ---- The process's */

/* The second number of statm: resident pages. */
static uint64_t resident_bytes(void)
{
    char line[128], *at = NULL;
    FILE *f = fopen("/proc/self/statm", "re");

    if (!f)
        return 0;
    if (fgets(line, sizeof line, f))
        at = strchr(line, ' ');
    fclose(f);
    return at ? strtoull(at, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

static uint64_t open_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    uint64_t n = 0;

    if (!d)
        return 0;
    for (struct dirent *e = readdir(d); e; e = readdir(d))
        n += e->d_name[0] != '.';
    closedir(d);
    return n > 0 ? n - 1 : 0; /* without the one that looked */
}

static void add_single(struct buffer *out, const char *name, const char *type, const char *help, uint64_t n)
{
    family(out, name, type, help);
    buffer_format(out, "%s %llu\n", name, (unsigned long long)n);
}

static void metrics(const struct api_call *call)
{
    const struct tunnels *all = call->api->config.tunnels;
    struct buffer out = {0};

    family(&out, "adit_build_info", "gauge", "The version that runs.");
    buffer_text(&out, "adit_build_info");
    label(&out, "{", "version", ADIT_VERSION);
    value(&out, 1);
    for (size_t i = 0; i < ADIT_COUNT(of_tunnels); i++) {
        family(&out, of_tunnels[i].name, of_tunnels[i].type, of_tunnels[i].help);
        for (const struct tunnel *t = tunnels_first(all); t; t = tunnels_next(t))
            of_tunnels[i].add(&out, of_tunnels[i].name, label_of(all, t), t);
    }
    for (size_t i = 0; i < ADIT_COUNT(of_transports); i++) {
        family(&out, of_transports[i].name, of_transports[i].type, of_transports[i].help);
        for (const struct tunnel *t = tunnels_first(all); t; t = tunnels_next(t))
            if (is_first_of_transport(all, t))
                add_transport(&out, t, i);
    }
    add_single(&out, "adit_auth_failures_total", "counter", "Logins that a server refused.",
               call->api->auth_failures);
    add_single(&out, "process_resident_memory_bytes", "gauge", "Resident memory.", resident_bytes());
    add_single(&out, "process_open_fds", "gauge", "Open descriptors.", open_fds());
    add_single(&out, "process_start_time_seconds", "gauge", "When the process began.",
               (uint64_t)call->api->started_at);
    httpd_reply_buffer(call->request, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}

void api_metrics(const struct api_call *call)
{
    api_refresh(call, metrics);
}

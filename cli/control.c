#include "cli/control.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/prompt.h"
#include "cli/ttymodes.h"

bool control_is_wanted(const struct options *o)
{
    return option_text(o->control_path) != NULL && o->control_master != CONTROL_MASTER_NO;
}

bool control_is_persistent(const struct options *o)
{
    return control_is_wanted(o) && o->control_persist;
}

/* The descriptor is a client's: it need not be a terminal. */
static void describe(int fd, struct session_exec *exec, struct ssh_mode *modes)
{
    struct winsize w;
    struct termios t;
    if (ioctl(fd, TIOCGWINSZ, &w) == 0)
        exec->window = (struct ssh_window){w.ws_col, w.ws_row, w.ws_xpixel, w.ws_ypixel};
    exec->modes = modes;
    exec->mode_count = tcgetattr(fd, &t) == 0 ? ttymodes_of(&t, modes) : 0;
}

void control_add(struct session_control *control, const struct args *args, struct client *client,
                 bool is_background, bool has_commandline)
{
    const struct options *o = &args->options;
    bool has_socket = control_is_wanted(o);
    if (!has_socket && !has_commandline)
        return;
    *control = (struct session_control){.path = has_socket ? client_control_path(client) : NULL,
                                        .pid = (uint32_t)getpid(),
                                        .gateway_ports = o->gateway_ports,
                                        .is_persistent = is_background,
                                        .has_guest = args->has_guest,
                                        .guest_fd = args->guest_fd,
                                        .persist_s = o->control_persist_s,
                                        .must_ask = o->control_master == CONTROL_MASTER_ASK ||
                                                    o->control_master == CONTROL_MASTER_AUTO_ASK,
                                        .askpass = prompt_askpass(),
                                        .describe = describe};
    client_add_control(client, control);
    if (has_socket)
        log_wait_for_nobody();
}

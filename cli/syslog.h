/*
 * syslog.h - lines to syslog(3)'s daemon, at /dev/log.
 *
 * By hand, as RFC 3164 has them: a libc's syslog brings all of printf along, which nothing else here needs.
 * Where nobody listens a line is lost, as syslog(3) has it.
 */
#ifndef CLI_SYSLOG_H
#define CLI_SYSLOG_H

#include "adit.h"

/* Once, before any thread is started. program must stay. facility: LOG_USER and the like. */
void syslog_begin(const char *program, int facility);
/* One line, clean and without its end. priority: LOG_ERR and the like. Any thread. */
void syslog_line(int priority, const char *line);

#endif

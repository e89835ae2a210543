/*
 * files.h - whole files, read and replaced.
 */
#ifndef CLIENT_FILES_H
#define CLIENT_FILES_H

#include <sys/stat.h>

#include "adit.h"

/* A file's contents in memory of its own. */
struct file {
    uint8_t *p;
    size_t n;
    size_t cap;
};

/* Reads path, at most max bytes. Fails with ADIT_E_SYSTEM ("PATH: reason"), ADIT_E_LIMIT, ADIT_E_MEMORY
 * (memory, descriptors or the disk failed: it is there, and another time it may be read); what
 * is not a regular file, a pipe or the like (a directory) is refused, and so is a named pipe that nobody
 * opens for writing within two seconds. *missing (may be NULL): it does not exist. status (may be NULL) gets
 * the file's mode and owner, of the file that was read. */
enum adit_err file_read(struct file *file, const char *path, size_t max, struct stat *status, bool *missing,
                        struct adit_error *err) ADIT_MUST_USE;
/* The same from a descriptor to its end, also from one that does not block; name is for messages. The
 * descriptor stays open. A regular file that is larger is not read at all, and of what is
 * none at most a megabyte is taken. */
enum adit_err file_read_fd(struct file *file, int fd, const char *name, size_t max,
                           struct adit_error *err) ADIT_MUST_USE;
void file_wipe(struct file *file); /* overwrites and frees */

/* Adds text (whole lines, with their end) to the file at path so that a reader sees all of it or nothing: a
 * copy in the same folder is completed, synced and renamed over it. Keeps mode and owner; a symbolic link
 * stays and its target is replaced; a last line without its end gets one. A missing file is made with mode
 * 0600, a missing folder with 0700. A lock on the folder keeps two writers of ours from losing each other's
 * lines (it is waited for ten seconds at most); what one of them leaves when it is killed (PATH.adit-new),
 * the next one takes away. What is no regular file (/dev/null) is written to, never replaced. ADIT_E_SYSTEM
 * with the reason. */
enum adit_err file_append(const char *path, struct span text, size_t max,
                          struct adit_error *err) ADIT_MUST_USE;

/* What becomes of a file's text: writes the new one to *out (all zero before), which the caller wipes, and
 * says whether it differs; false also when memory is short, with *err set. */
typedef bool file_edit(void *ctx, struct span old, struct file *out, struct adit_error *err);
/* The file at path with other contents, as safely as file_append: read under the lock, replaced in one step,
 * and not touched when edit says false. A missing file stays missing, with ADIT_E_OK; what is no regular file
 * is left alone. */
enum adit_err file_rewrite(const char *path, size_t max, file_edit *edit, void *ctx,
                           struct adit_error *err) ADIT_MUST_USE;

#endif

/* Runs a program and strikes at one of its system calls, counted over all its threads.
 *
 *     at_call [--under DIR]... [--list FILE] [--kill N | --fail ERRNO N | --fail-from ERRNO N | --pretend SUFFIX | --no-sync] -- PROGRAM ARGUMENT...
 *
 * Without --under every system call counts; with it, those that change a file beneath DIR: write, truncate, sync, rename, make, remove.
 * --kill       SIGKILL before call N is carried out
 * --fail       call N is not carried out and gives ERRNO (its number); --fail-from: call N and every later one
 * --pretend    calls that write or sync a file whose name ends with SUFFIX are not carried out and report success: a defence taken out
 * --no-sync    nothing is ever synced, and everything believes that it is: another one
 * --list       writes one line for each call that counted: its number, its name, the file
 *
 * strace counts each thread's calls by themselves, so that what the second thread does cannot be reached.
 * Ends as the program ended. x86-64 Linux.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BY_FILE, BY_PATH, BY_PATH_AT, BY_PATH_AT_IF_MADE };

static const struct call {
    long number;
    const char *name;
    int by, writes;
} CALLS[] = {
    {SYS_write, "write", BY_FILE, 1},
    {SYS_pwrite64, "pwrite64", BY_FILE, 1},
    {SYS_writev, "writev", BY_FILE, 1},
    {SYS_pwritev, "pwritev", BY_FILE, 1},
    {SYS_ftruncate, "ftruncate", BY_FILE, 0},
    {SYS_fallocate, "fallocate", BY_FILE, 0},
    {SYS_fsync, "fsync", BY_FILE, 1},
    {SYS_fdatasync, "fdatasync", BY_FILE, 1},
    {SYS_fchmod, "fchmod", BY_FILE, 0},
    {SYS_rename, "rename", BY_PATH, 0},
    {SYS_renameat, "renameat", BY_PATH_AT, 0},
    {SYS_renameat2, "renameat2", BY_PATH_AT, 0},
    {SYS_unlink, "unlink", BY_PATH, 0},
    {SYS_unlinkat, "unlinkat", BY_PATH_AT, 0},
    {SYS_rmdir, "rmdir", BY_PATH, 0},
    {SYS_mkdir, "mkdir", BY_PATH, 0},
    {SYS_mkdirat, "mkdirat", BY_PATH_AT, 0},
    {SYS_mknod, "mknod", BY_PATH, 0},
    {SYS_mknodat, "mknodat", BY_PATH_AT, 0},
    {SYS_chmod, "chmod", BY_PATH, 0},
    {SYS_fchmodat, "fchmodat", BY_PATH_AT, 0},
    {SYS_openat, "openat", BY_PATH_AT_IF_MADE, 0},
};

enum { MOST_FOLDERS = 8, MOST_THREADS = 4096 };
static const char *under[MOST_FOLDERS], *pretended;
static int folders;
static long kill_at, fail_at, fail_with, seen;
static int fail_on, no_sync;
static FILE *list;

/* What a thread's call that is not carried out shall give when it returns. */
static struct {
    pid_t thread;
    long result;
} refused[MOST_THREADS];

static int refusal_of(pid_t thread) {
    for (int each = 0; each < MOST_THREADS; each++)
        if (refused[each].thread == thread) return each;
    return -1;
}

static void refuse(pid_t thread, long result) {
    int place = refusal_of(0);
    if (place < 0) abort();
    refused[place].thread = thread;
    refused[place].result = result;
    ptrace(PTRACE_POKEUSER, thread, offsetof(struct user_regs_struct, orig_rax), -1L);
}

static void path_of(pid_t thread, const struct call *call, const uint64_t *args, char *path, size_t size) {
    path[0] = 0;
    if (call->by == BY_FILE) {
        char link[64];
        snprintf(link, sizeof link, "/proc/%d/fd/%d", thread, (int)args[0]);
        ssize_t length = readlink(link, path, size - 1);
        path[length < 0 ? 0 : length] = 0;
        return;
    }
    if (call->by == BY_PATH_AT_IF_MADE && !(args[2] & (O_CREAT | O_TRUNC))) return;
    unsigned long from = args[call->by == BY_PATH ? 0 : 1];
    /* A read that crosses into a page that is not there gives nothing: byte by byte near its end. */
    for (size_t length = 0; length < size - 1; length++) {
        struct iovec here = {path + length, 1}, there = {(void *)(from + length), 1};
        if (process_vm_readv(thread, &here, 1, &there, 1, 0) != 1) break;
        path[length + 1] = 0;
        if (!path[length]) break;
    }
}

static int ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && !strcmp(text + length - tail, end);
}

static int is_under(const char *path) {
    for (int each = 0; each < folders; each++)
        if (!strncmp(path, under[each], strlen(under[each]))) return 1;
    return 0;
}

static void entered(pid_t thread, pid_t program, const struct __ptrace_syscall_info *info) {
    const struct call *call = NULL;
    char path[4096] = "";
    for (size_t each = 0; each < sizeof CALLS / sizeof *CALLS; each++)
        if (CALLS[each].number == (long)info->entry.nr) call = &CALLS[each];
    if (call) path_of(thread, call, info->entry.args, path, sizeof path);
    if (pretended && call && call->writes && ends_with(path, pretended)) {
        int is_write = call->number == SYS_write || call->number == SYS_pwrite64;
        refuse(thread, is_write ? (long)info->entry.args[2] : 0);
        return;
    }
    if (no_sync && call && (call->number == SYS_fsync || call->number == SYS_fdatasync)) {
        refuse(thread, 0);
        return;
    }
    if (folders && !(call && is_under(path))) return;
    seen++;
    if (list) {
        if (call) fprintf(list, "%ld %s %s\n", seen, call->name, path);
        else fprintf(list, "%ld %llu\n", seen, (unsigned long long)info->entry.nr);
    }
    if (kill_at && seen == kill_at) kill(program, SIGKILL);
    if (fail_at && (fail_on ? seen >= fail_at : seen == fail_at)) refuse(thread, -fail_with);
}

static void left(pid_t thread) {
    int place = refusal_of(thread);
    if (place < 0) return;
    ptrace(PTRACE_POKEUSER, thread, offsetof(struct user_regs_struct, rax), refused[place].result);
    refused[place].thread = 0;
}

static int traced(pid_t program) {
    int status, is_running = 0;
    for (;;) {
        pid_t thread = waitpid(-1, &status, __WALL);
        if (thread < 0) return 1;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            int place = refusal_of(thread);
            if (place >= 0) refused[place].thread = 0;
            if (thread != program) continue;
            if (list) fclose(list);
            if (WIFEXITED(status)) return WEXITSTATUS(status);
            signal(WTERMSIG(status), SIG_DFL);
            raise(WTERMSIG(status));
            return 128 + WTERMSIG(status);
        }
        int with = WSTOPSIG(status), event = status >> 16;
        if (!is_running) {
            ptrace(PTRACE_SETOPTIONS, thread, 0,
                   PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK |
                       PTRACE_O_TRACEEXEC | PTRACE_O_EXITKILL);
            is_running = 1;
            with = 0;
        } else if (with == (SIGTRAP | 0x80)) {
            struct __ptrace_syscall_info info;
            if (ptrace(PTRACE_GET_SYSCALL_INFO, thread, sizeof info, &info) > 0) {
                if (info.op == PTRACE_SYSCALL_INFO_ENTRY) entered(thread, program, &info);
                else if (info.op == PTRACE_SYSCALL_INFO_EXIT) left(thread);
            }
            with = 0;
        } else if (event || with == SIGSTOP) {
            /* A new thread begins with a stop; no test stops what it traces. */
            if (event == PTRACE_EVENT_EXEC) seen = 0;
            with = 0;
        }
        ptrace(PTRACE_SYSCALL, thread, 0, with);
    }
}

int main(int count, char **arguments) {
    int at = 1;
    for (; at < count && strcmp(arguments[at], "--"); at++) {
        const char *name = arguments[at];
        if (!strcmp(name, "--under") && folders < MOST_FOLDERS) under[folders++] = arguments[++at];
        else if (!strcmp(name, "--list")) list = fopen(arguments[++at], "we");
        else if (!strcmp(name, "--kill")) kill_at = atol(arguments[++at]);
        else if (!strcmp(name, "--no-sync")) no_sync = 1;
        else if (!strcmp(name, "--pretend")) pretended = arguments[++at];
        else if (!strncmp(name, "--fail", 6)) {
            fail_on = !strcmp(name, "--fail-from");
            fail_with = atol(arguments[++at]);
            fail_at = atol(arguments[++at]);
        } else return 2;
    }
    if (at + 1 >= count) return 2;
    pid_t program = fork();
    if (!program) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0)) _exit(126);
        raise(SIGSTOP);
        execv(arguments[at + 1], arguments + at + 1);
        _exit(127);
    }
    return program < 0 ? 126 : traced(program);
}

/* Preloaded, it takes a defence away: every file looks plain, private and one's own, and links are followed. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/stat.h>
#include <unistd.h>

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

int statx(int folder, const char *restrict path, int flags, unsigned int mask, struct statx *restrict facts) {
    int result = REAL(statx)(folder, path, flags & ~AT_SYMLINK_NOFOLLOW, mask, facts);
    if (result == 0 && (S_ISREG(facts->stx_mode) || S_ISDIR(facts->stx_mode))) {
        facts->stx_mode = (facts->stx_mode & S_IFMT) | (S_ISDIR(facts->stx_mode) ? 0700 : 0600);
        facts->stx_uid = geteuid();
        facts->stx_nlink = 1;
    }
    return result;
}

/* SQLite's look for a link. */
int lstat64(const char *restrict path, struct stat64 *restrict facts) {
    return stat64(path, facts);
}
int lstat(const char *restrict path, struct stat *restrict facts) {
    return stat(path, facts);
}

static mode_t mode_of(int flags, va_list more) {
    return flags & O_CREAT ? va_arg(more, mode_t) : 0;
}
#define OPENS(name) \
    int name(const char *path, int flags, ...) { \
        va_list more; \
        va_start(more, flags); \
        mode_t mode = mode_of(flags, more); \
        va_end(more); \
        return REAL(name)(path, flags & ~O_NOFOLLOW, mode); \
    }
OPENS(open)
OPENS(open64)

/* Runs the cases: all of them, or those whose name begins with one of the arguments. Says `ok NAME` or `not ok NAME` for each. */
#define _GNU_SOURCE
#include "psam_test.h"

#include <sys/resource.h>
#include <unistd.h>

extern int failures;
void print_covered(void);
int prepare(void);

static const test_case *const files[] = {surface_cases, argument_cases, handle_cases, flow_cases,  error_cases,
                                         cancel_cases,  fork_cases,     thread_cases, panic_cases, wiping_cases, explain_cases, credential_cases, document_cases, moving_in_cases};

static bool is_wanted(const char *name, int count, char **prefixes) {
    for (int i = 0; i < count; i++) {
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0) return true;
    }
    return count == 0;
}

int main(int count, char **arguments) {
    /* Secrets pass through this program. */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    if (count == 2 && strcmp(arguments[1], "--covered") == 0) return print_covered(), 0;
    if (count == 2 && strcmp(arguments[1], "--prepare") == 0) return prepare();
    int bad = 0;
    for (size_t file = 0; file < sizeof files / sizeof *files; file++) {
        for (const test_case *each = files[file]; each->name; each++) {
            if (!is_wanted(each->name, count - 1, arguments + 1)) continue;
            tell("reset");
            failures = 0;
            /* A wait that never ends is a failure too. */
            alarm(240);
            each->run();
            alarm(0);
            printf("%s %s\n", failures ? "not ok" : "ok", each->name);
            fflush(stdout);
            bad += failures != 0;
        }
    }
    return bad != 0;
}

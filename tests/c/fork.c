/* A child process goes on with what it inherited, and its parent does not notice. */
#define _GNU_SOURCE
#include "psam_test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

extern int failures;

/* Ends a child with what it found. It becomes another program first: there is nobody left to free what the parent's threads held, and a leak
 * check of the child would say so. */
static void end_child(void) {
    const char *program = failures == 0 ? "true" : "false";
    execlp(program, program, (char *)NULL);
    _exit(1);
}

static void wait_for(pid_t child) {
    int status = -1;
    CHECK(child > 0 && waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void use(psam_app *app, const char *audience, int fresh) {
    psam_error *error = NULL;
    psam_token *token = NULL;
    psam_token_options options = {.struct_size = sizeof options, .fresh = fresh};
    REQUIRE_OK(psam_token_get(app, "fabrikam.com", NULL, audience, &options, &token, &error), &error);
    CHECK(psam_token_secret_length(token) > 100);
    CHECK(psam_token_free(token) == PSAM_OK);
}

static void child_goes_on(void) {
    psam_error *error = NULL;
    psam_app *app = new_app();
    REQUIRE(app != NULL && consent(app));
    psam_token *token = NULL;
    REQUIRE_OK(psam_token_get(app, "fabrikam.com", NULL, "graph", NULL, &token, &error), &error);
    pid_t child = fork();
    if (child == 0) {
        alarm(120);
        CHECK(psam_token_secret_length(token) > 100);
        use(app, "graph", 0);
        use(app, "arm", 1);
        psam_grants *grants = NULL;
        if (CHECK_OK(psam_grants_list(app, NULL, &grants, &error), &error)) CHECK(psam_grants_count(grants) == 1 && psam_grants_free(grants) == PSAM_OK);
        psam_app *another = NULL;
        if (CHECK_OK(psam_app_open("{\"store\":\"memory:\"}", &another, &error), &error)) CHECK(psam_app_free(another) == PSAM_OK);
        /* A grandchild, too. */
        pid_t grandchild = fork();
        if (grandchild == 0) {
            alarm(60);
            use(app, "graph", 1);
            end_child();
        }
        wait_for(grandchild);
        CHECK(psam_token_free(token) == PSAM_OK && psam_app_free(app) == PSAM_OK);
        end_child();
    }
    use(app, "arm", 1);
    wait_for(child);
    use(app, "graph", 1);
    CHECK(psam_token_free(token) == PSAM_OK && psam_app_free(app) == PSAM_OK);
}

static void memory_store(void) {
    psam_error *error = NULL;
    psam_app *app = NULL;
    REQUIRE_OK(psam_app_open("{\"store\":\"memory:\"}", &app, &error), &error);
    pid_t child = fork();
    if (child == 0) {
        alarm(60);
        psam_grants *grants = NULL;
        psam_token *token = NULL;
        CHECK_FAILS(PSAM_ERROR_FORKED_HANDLE, psam_grants_list(app, NULL, &grants, &error), &error);
        CHECK_FAILS(PSAM_ERROR_FORKED_HANDLE, psam_token_get(app, NULL, NULL, "graph", NULL, &token, &error), &error);
        CHECK(psam_app_free(app) == PSAM_OK);
        end_child();
    }
    wait_for(child);
    psam_grants *grants = NULL;
    if (CHECK_OK(psam_grants_list(app, NULL, &grants, &error), &error)) psam_grants_free(grants);
    psam_app_free(app);
}

static atomic_bool stop;

/* Holds the table of handles most of the time. */
static void *churn(void *unused) {
    (void)unused;
    while (!atomic_load(&stop)) {
        psam_app *app = NULL;
        psam_error *error = NULL;
        psam_cancel *cancel = NULL;
        CHECK(psam_app_open("", &app, &error) == PSAM_ERROR_CONFIG_INVALID);
        for (int i = 0; i < 1000; i++) CHECK(psam_error_json(error) != NULL);
        CHECK(psam_error_free(error) == PSAM_OK);
        error = NULL;
        if (CHECK_OK(psam_cancel_new(&cancel, &error), &error)) CHECK(psam_cancel_free(cancel) == PSAM_OK);
    }
    return NULL;
}

static void in_the_middle_of_things(void) {
    enum { THREADS = 3, FORKS = 200 };
    pthread_t threads[THREADS];
    atomic_store(&stop, false);
    for (int i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, churn, NULL) == 0);
    for (int i = 0; i < FORKS; i++) {
        pid_t child = fork();
        if (child == 0) {
            /* A child that waits for a lock of a thread it does not have ends here. */
            alarm(30);
            psam_app *app = NULL;
            psam_error *error = NULL;
            psam_cancel *cancel = NULL;
            CHECK_FAILS(PSAM_ERROR_CONFIG_INVALID, psam_app_open("", &app, &error), &error);
            CHECK_OK(psam_cancel_new(&cancel, &error), &error);
            end_child();
        }
        wait_for(child);
        if (failures) break;
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
}

#ifdef __SANITIZE_ADDRESS__
/* The allocator of gcc 12's AddressSanitizer holds locks of its own across a fork, and its children wait for them for ever. Valgrind looks at
 * these cases instead. */
const test_case fork_cases[] = {{NULL, NULL}};
static const test_case left_out[]
#else
const test_case fork_cases[]
#endif
    __attribute__((unused)) = {{"fork: a child goes on with an app whose store is a file, and so does its parent", child_goes_on},
                                {"fork: an app whose store is in memory says so in a child", memory_store},
                                {"fork: in the middle of other threads' calls", in_the_middle_of_things},
                                {NULL, NULL}};

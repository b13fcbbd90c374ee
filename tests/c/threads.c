/* Any function from any thread, on the same handles at once. */
#define _GNU_SOURCE
#include "psam_test.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 8 };

static psam_app *app;
static atomic_int good, refused, other;
static pthread_barrier_t start;

static void *one_token(void *unused) {
    (void)unused;
    psam_token *token = NULL;
    psam_error *error = NULL;
    pthread_barrier_wait(&start);
    if (CHECK_OK(psam_token_get(app, "fabrikam.com", "contoso.com", "exchange", NULL, &token, &error), &error)) {
        atomic_fetch_add(&good, psam_token_secret_length(token) == strlen(psam_token_secret(token)));
        CHECK(psam_token_free(token) == PSAM_OK);
    }
    return NULL;
}

static void run(void *(*body)(void *)) {
    pthread_t threads[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, body, NULL) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
}

static void one_request(void) {
    app = new_app();
    REQUIRE(app != NULL && consent(app));
    tell("forget-requests");
    atomic_store(&good, 0);
    run(one_token);
    CHECK(atomic_load(&good) == THREADS);
    char *requests = ask("requests");
    CHECK_TEXT(requests, "1");
    free(requests);
    psam_app_free(app);
}

static psam_token *shared;

static void *read_shared(void *unused) {
    (void)unused;
    pthread_barrier_wait(&start);
    for (int i = 0; i < 200; i++) {
        bool same_text = same(psam_token_tenant(shared), FABRIKAM) && strstr(psam_token_json(shared), FABRIKAM) && psam_token_scopes(shared) == psam_token_scopes(shared);
        atomic_fetch_add(same_text ? &good : &other, 1);
    }
    return NULL;
}

static void one_handle(void) {
    psam_error *error = NULL;
    app = new_app();
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_token_get(app, NULL, NULL, "graph", NULL, &shared, &error), &error);
    atomic_store(&good, 0);
    atomic_store(&other, 0);
    run(read_shared);
    CHECK(atomic_load(&good) == THREADS * 200 && atomic_load(&other) == 0);
    psam_token_free(shared);
    psam_app_free(app);
}

static void *until_closed(void *unused) {
    (void)unused;
    pthread_barrier_wait(&start);
    for (;;) {
        psam_grants *grants = NULL;
        psam_status status = psam_grants_list(app, NULL, &grants, NULL);
        atomic_fetch_add(status == PSAM_OK ? &good : status == PSAM_ERROR_HANDLE_INVALID ? &refused : &other, 1);
        if (status != PSAM_OK) return NULL;
        psam_grants_free(grants);
    }
}

static void *closes(void *unused) {
    (void)unused;
    pthread_barrier_wait(&start);
    while (atomic_load(&good) < 50 && atomic_load(&other) == 0) continue;
    CHECK(psam_app_free(app) == PSAM_OK);
    return NULL;
}

static void closed_under_them(void) {
    app = new_app();
    REQUIRE(app != NULL);
    atomic_store(&good, 0);
    atomic_store(&refused, 0);
    atomic_store(&other, 0);
    pthread_t threads[THREADS];
    pthread_barrier_init(&start, NULL, THREADS);
    for (int i = 0; i < THREADS; i++) REQUIRE(pthread_create(&threads[i], NULL, i == 0 ? closes : until_closed, NULL) == 0);
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&start);
    CHECK(atomic_load(&refused) == THREADS - 1 && atomic_load(&other) == 0);
}

const test_case thread_cases[] = {{"threads: eight that want one missing token make one request", one_request},
                                  {"threads: eight read one handle", one_handle},
                                  {"threads: an app that is closed while others use it", closed_under_them},
                                  {NULL, NULL}};

/* A wait in C has a cancel: from another thread, from a signal handler, and before it begins. */
#define _GNU_SOURCE
#include "psam_test.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

static psam_app *app;
static psam_cancel *cancel;

static void *trip(void *unused) {
    (void)unused;
    /* When the request is on its way; were it not yet, the wait would end all the same. */
    usleep(300 * 1000);
    CHECK(psam_cancel_trip(cancel) == PSAM_OK);
    return NULL;
}

static void on_signal(int number) {
    (void)number;
    if (psam_cancel_trip(cancel) != PSAM_OK) abort();
}

/* An app with a grant, and a service that takes longer than any test. */
static bool slow_service(void) {
    psam_error *error = NULL;
    cancel = NULL;
    app = new_app();
    if (!app || !consent(app) || !CHECK_OK(psam_cancel_new(&cancel, &error), &error)) return false;
    tell("scenario {\"delay_ms\":600000,\"path\":\"token\"}");
    return true;
}

static void from_a_thread(void) {
    REQUIRE(slow_service());
    psam_error *error = NULL;
    psam_token *token = NULL;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, trip, NULL) == 0);
    psam_token_options options = {.struct_size = sizeof options, .cancel = cancel};
    CHECK_FAILS(PSAM_ERROR_CANCELLED, psam_token_get(app, "fabrikam.com", NULL, "exchange", &options, &token, &error), &error);
    CHECK(token == NULL);
    pthread_join(thread, NULL);
    CHECK(psam_cancel_free(cancel) == PSAM_OK);
    psam_app_free(app);
}

static void from_a_signal_handler(void) {
    REQUIRE(slow_service());
    psam_error *error = NULL;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    timer_settime(timer, 0, &(struct itimerspec){.it_value = {.tv_nsec = 300 * 1000 * 1000}}, NULL);
    CHECK_FAILS(PSAM_ERROR_CANCELLED, psam_grant_renew(app, "fabrikam.com", cancel, NULL, &error), &error);
    timer_delete(timer);
    CHECK(psam_cancel_free(cancel) == PSAM_OK);
    psam_app_free(app);
}

static void before_it_begins(void) {
    psam_error *error = NULL;
    psam_cancel *tripped = NULL, *freed = NULL;
    psam_token *token = NULL;
    psam_consent_link *link = NULL;
    psam_consented *consented = NULL;
    psam_grants *grants = NULL;
    app = new_app();
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_cancel_new(&tripped, &error), &error);
    REQUIRE_OK(psam_cancel_new(&freed, &error), &error);
    CHECK(psam_cancel_trip(tripped) == PSAM_OK && psam_cancel_trip(tripped) == PSAM_OK);
    CHECK(psam_cancel_free(freed) == PSAM_OK);
    CHECK(psam_cancel_trip(freed) == PSAM_ERROR_HANDLE_INVALID && psam_cancel_trip(NULL) == PSAM_ERROR_HANDLE_INVALID);
    tell("forget-requests");
    const struct {
        psam_cancel *cancel;
        psam_status status;
    } both[] = {{tripped, PSAM_ERROR_CANCELLED}, {freed, PSAM_ERROR_HANDLE_INVALID}};
    for (int i = 0; i < 2; i++) {
        psam_cancel *with = both[i].cancel;
        psam_token_options token_options = {.struct_size = sizeof token_options, .cancel = with};
        psam_consent_options consent_options = {.struct_size = sizeof consent_options, .cancel = with};
        CHECK_FAILS(both[i].status, psam_token_get(app, "fabrikam.com", NULL, "graph", &token_options, &token, &error), &error);
        CHECK_FAILS(both[i].status, psam_consent_begin(app, "fabrikam.com", NULL, &consent_options, &link, &error), &error);
        CHECK_FAILS(both[i].status, psam_consent_complete(app, "code=a&state=b", 0, with, &consented, &error), &error);
        CHECK_FAILS(both[i].status, psam_grants_list(app, with, &grants, &error), &error);
        CHECK_FAILS(both[i].status, psam_grant_import(app, "fabrikam.com", "not-a-real-refresh-token", NULL, NULL, 0, with, &consented, &error), &error);
        CHECK_FAILS(both[i].status, psam_grant_renew(app, "fabrikam.com", with, NULL, &error), &error);
        CHECK_FAILS(both[i].status, psam_grant_revoke(app, "fabrikam.com", with, NULL, &error), &error);
    }
    char *requests = ask("requests");
    CHECK_TEXT(requests, "0");
    free(requests);
    REQUIRE_OK(psam_grants_list(app, NULL, &grants, &error), &error);
    CHECK(psam_grants_count(grants) == 1);
    psam_grants_free(grants);
    CHECK(psam_cancel_free(tripped) == PSAM_OK && psam_cancel_free(tripped) == PSAM_ERROR_HANDLE_INVALID);
    psam_app_free(app);
}

static void many(void) {
    enum { MANY = 3000 };
    static psam_cancel *handles[MANY];
    psam_error *error = NULL;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < MANY; i++) REQUIRE_OK(psam_cancel_new(&handles[i], &error), &error);
        for (int i = 0; i < MANY; i += 2) CHECK(psam_cancel_trip(handles[i]) == PSAM_OK);
        for (int i = 0; i < MANY; i++) CHECK(psam_cancel_free(handles[i]) == PSAM_OK);
        for (int i = 0; i < MANY; i++) CHECK(psam_cancel_trip(handles[i]) == PSAM_ERROR_HANDLE_INVALID);
    }
}

const test_case cancel_cases[] = {{"cancel: another thread ends a wait", from_a_thread},
                                  {"cancel: a signal handler ends a wait", from_a_signal_handler},
                                  {"cancel: what is tripped before ends every operation before it sends anything", before_it_begins},
                                  {"cancel: many of them, and freed ones stay freed", many},
                                  {NULL, NULL}};

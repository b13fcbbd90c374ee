/* Functions of the caller's by which an app proves itself, and the check-up. */
#define _GNU_SOURCE
#include "psam_test.h"

#include <stdatomic.h>
#include <unistd.h>

typedef struct {
    atomic_int calls, frees;
    int answer;
    size_t length;
} caller;

static int value_of(char digit) { return digit <= '9' ? digit - '0' : digit - 'a' + 10; }

static int32_t sign(void *user_data, const char *algorithm, const uint8_t *message, size_t message_length, uint8_t *signature, size_t *signature_length) {
    caller *own = user_data;
    own->calls++;
    if (own->answer) return own->answer;
    if (own->length) return *signature_length = own->length, 0;
    char *digits = malloc(2 * message_length + 1);
    for (size_t i = 0; i < message_length; i++) sprintf(digits + 2 * i, "%02x", message[i]);
    char *signed_digits = ask("sign %s %s", algorithm, digits);
    size_t length = strlen(signed_digits) / 2;
    if (length <= *signature_length) {
        for (size_t i = 0; i < length; i++) signature[i] = (uint8_t)(value_of(signed_digits[2 * i]) * 16 + value_of(signed_digits[2 * i + 1]));
    }
    *signature_length = length;
    free(digits);
    free(signed_digits);
    return 0;
}

static int32_t fetch(void *user_data, uint8_t *assertion, size_t *assertion_length) {
    caller *own = user_data;
    own->calls++;
    if (own->answer) return own->answer;
    char *token = ask("federated");
    size_t length = strlen(token);
    if (length <= *assertion_length) memcpy(assertion, token, length);
    *assertion_length = length;
    free(token);
    return 0;
}

static void count_free(void *user_data) { ((caller *)user_data)->frees++; }

/* A configuration with the certificate alone. */
static char *with_certificate(void) {
    char *config = new_config(), *file = ask("certificate");
    config[strlen(config) - 1] = '\0';
    char *whole = text("%s,\"certificate_file\":\"%s\"}", config, file);
    free(config);
    free(file);
    return whole;
}

/* The last free may be a moment late: whoever used it last lets go of it. */
static bool freed_once(caller *own) {
    for (int i = 0; i < 500 && own->frees == 0; i++) usleep(10000);
    return own->frees == 1;
}

static void a_signer(void) {
    tell("reset");
    tell("forget-requests");
    caller own = {0};
    psam_error *error = NULL;
    psam_app *app = NULL;
    char *config = with_certificate();
    REQUIRE_OK(psam_app_open_with_signer(config, sign, &own, count_free, &app, &error), &error);
    CHECK(own.calls == 0);
    REQUIRE(consent(app));
    psam_token *token = NULL;
    psam_token_options fresh = {.struct_size = sizeof fresh, .fresh = 1};
    for (int i = 0; i < 3; i++) {
        if (CHECK_OK(psam_token_get(app, "fabrikam.com", NULL, "graph", &fresh, &token, &error), &error)) psam_token_free(token);
    }
    /* Once for all tokens of a tenant. */
    CHECK(own.calls == 1);
    char *kinds = ask("credentials");
    CHECK_TEXT(kinds, "certificate");
    free(kinds);

    psam_checkup *checkup = NULL;
    REQUIRE_OK(psam_doctor(app, "fabrikam.com", "contoso.com", NULL, &checkup, &error), &error);
    CHECK(psam_checkup_verdict(checkup) == PSAM_LEVEL_PASS);
    const char *json = psam_checkup_json(checkup);
    CHECK(json && strstr(json, "\"verdict\":\"pass\"") && strstr(json, "\"check\":\"customer-token\"") && !strstr(json, "fabrikam"));
    CHECK(psam_checkup_free(checkup) == PSAM_OK);
    REQUIRE_OK(psam_doctor(app, "nobody.example", NULL, NULL, &checkup, &error), &error);
    CHECK(psam_checkup_verdict(checkup) == PSAM_LEVEL_FAIL);
    CHECK(psam_checkup_free(checkup) == PSAM_OK);

    CHECK(own.frees == 0);
    CHECK(psam_app_free(app) == PSAM_OK);
    CHECK(freed_once(&own));
    free(config);
}

static void an_assertion(void) {
    tell("reset");
    tell("forget-requests");
    caller own = {0};
    psam_error *error = NULL;
    psam_app *app = NULL;
    char *config = new_config();
    REQUIRE_OK(psam_app_open_with_assertion(config, fetch, &own, count_free, &app, &error), &error);
    CHECK(consent(app));
    CHECK(own.calls >= 3);
    char *kinds = ask("credentials");
    CHECK_TEXT(kinds, "federated");
    free(kinds);
    CHECK(psam_app_free(app) == PSAM_OK);
    CHECK(freed_once(&own));
    free(config);
}

static void what_they_do_wrong(void) {
    tell("reset");
    const caller wrong[] = {{.answer = 7}, {.answer = -1}, {.length = 1025}, {.length = SIZE_MAX}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        caller own = {.answer = wrong[i].answer, .length = wrong[i].length};
        psam_error *error = NULL;
        psam_app *app = NULL;
        psam_consented *consented = NULL;
        psam_consent_link *link = NULL;
        char *config = with_certificate();
        REQUIRE_OK(psam_app_open_with_signer(config, sign, &own, count_free, &app, &error), &error);
        REQUIRE_OK(psam_consent_begin(app, "fabrikam.com", NULL, NULL, &link, &error), &error);
        char *reply = ask("sign-in admin@fabrikam.com %s", psam_consent_link_url(link));
        psam_consent_link_free(link);
        CHECK_FAILS(PSAM_ERROR_APP_CREDENTIAL_INVALID, psam_consent_complete(app, reply, 0, NULL, &consented, &error), &error);
        free(reply);
        free(config);
        CHECK(psam_app_free(app) == PSAM_OK);
        CHECK(freed_once(&own));
    }
}

static void an_app_that_does_not_open(void) {
    psam_error *error = NULL;
    psam_app *app = NULL;
    caller own = {0};
    CHECK_FAILS(PSAM_ERROR_CONFIG_MISSING, psam_app_open_with_signer("{\"store\":\"memory:\"}", sign, &own, count_free, &app, &error), &error);
    CHECK(own.frees == 1 && app == NULL);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_app_open_with_signer(NULL, NULL, &own, count_free, &app, &error), &error);
    CHECK(own.frees == 2);
    CHECK_FAILS(PSAM_ERROR_CONFIG_INVALID, psam_app_open_with_assertion("not JSON", fetch, &own, count_free, &app, &error), &error);
    CHECK(own.frees == 3);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_app_open_with_assertion(NULL, NULL, &own, NULL, &app, &error), &error);
    CHECK(own.frees == 3 && own.calls == 0);
}

const test_case credential_cases[] = {{"credential: a function signs once for all tokens of a tenant, and the check-up is clean", a_signer},
                                      {"credential: a function brings an assertion for each use", an_assertion},
                                      {"credential: what a function does wrong is a typed error", what_they_do_wrong},
                                      {"credential: what was handed over is freed where the app does not open", an_app_that_does_not_open},
                                      {NULL, NULL}};

/* Every function that can fail, with every argument that a caller can get wrong, one at a time: a typed error, and no result written. */
#include "psam_test.h"

#include <stddef.h>

/* What functions are given. Each takes what it has a use for. */
typedef struct {
    void *app;
    void *cancel;
    const char *config, *path, *partner, *customer, *audience, *audiences, *reply, *refresh_token, *text, *purpose, *wanted, *incident, *moving, *query, *anchor, *rotation, *file, *recipients, *identity, *passphrase;
    const uint8_t *given;
    size_t given_length;
    const psam_token_options *token_options;
    const psam_consent_options *consent_options;
    uint32_t flags;
    void *out;
    psam_error **error;
} attempt;

enum {
    APP = 1 << 0,
    CANCEL = 1 << 1,
    CONFIG = 1 << 2,
    PATH = 1 << 3,
    PARTNER = 1 << 4,
    CUSTOMER = 1 << 5,
    AUDIENCE = 1 << 6,
    AUDIENCES = 1 << 7,
    REPLY = 1 << 8,
    REFRESH_TOKEN = 1 << 9,
    TOKEN_OPTIONS = 1 << 10,
    CONSENT_OPTIONS = 1 << 11,
    FLAGS = 1 << 12,
    OUT = 1 << 13,
    /* May be NULL here although the same argument may not elsewhere. */
    PARTNER_OR_NULL = 1 << 14,
    TEXT = 1 << 15,
    PURPOSE = 1 << 16,
    WANTED = 1 << 17,
    INCIDENT = 1 << 18,
    QUERY = 1 << 19,
    ANCHOR = 1 << 20,
    REVOKE_FLAGS = 1 << 21,
    ROTATION = 1 << 22,
    FILE_PATH = 1 << 23,
    RECIPIENTS = 1 << 24,
    IDENTITY = 1 << 25,
    PASSPHRASE = 1 << 26,
    MOVING = 1 << 27,
};

static psam_status app_open(const attempt *a) { return psam_app_open(a->config, a->out, a->error); }
static psam_status app_open_file(const attempt *a) { return psam_app_open_file(a->path, a->out, a->error); }
static int32_t no_signature(void *user_data, const char *algorithm, const uint8_t *message, size_t message_length, uint8_t *signature, size_t *signature_length) {
    return (void)user_data, (void)algorithm, (void)message, (void)message_length, (void)signature, (void)signature_length, 1;
}
static int32_t no_assertion(void *user_data, uint8_t *assertion, size_t *assertion_length) {
    return (void)user_data, (void)assertion, (void)assertion_length, 1;
}
static psam_status app_open_with_signer(const attempt *a) { return psam_app_open_with_signer(a->config, no_signature, NULL, NULL, a->out, a->error); }
static psam_status app_open_with_assertion(const attempt *a) {
    return psam_app_open_with_assertion(a->config, no_assertion, NULL, NULL, a->out, a->error);
}
static psam_status doctor(const attempt *a) { return psam_doctor(a->app, a->partner, a->customer, a->cancel, a->out, a->error); }
static psam_status cancel_new(const attempt *a) { return psam_cancel_new(a->out, a->error); }
static psam_status token_get(const attempt *a) {
    return psam_token_get(a->app, a->partner, a->customer, a->audience, a->token_options, a->out, a->error);
}
static psam_status consent_begin(const attempt *a) {
    return psam_consent_begin(a->app, a->partner, a->audiences, a->consent_options, a->out, a->error);
}
static psam_status consent_complete(const attempt *a) { return psam_consent_complete(a->app, a->reply, a->flags, a->cancel, a->out, a->error); }
static psam_status grants_list(const attempt *a) { return psam_grants_list(a->app, a->cancel, a->out, a->error); }
static psam_status grant_import(const attempt *a) {
    return psam_grant_import(a->app, a->partner, a->refresh_token, a->audiences, a->purpose, a->flags, a->cancel, a->out, a->error);
}
static psam_status grant_renew(const attempt *a) { return psam_grant_renew(a->app, a->partner, a->cancel, a->out, a->error); }
static psam_status grant_revoke(const attempt *a) { return psam_grant_revoke(a->app, a->partner, a->cancel, a->out, a->error); }
static psam_status renew_due(const attempt *a) { return psam_grants_renew_due(a->app, 0, NULL, NULL, a->cancel, a->out, a->error); }
static psam_status store_condition(const attempt *a) { return psam_app_store_condition(a->app, a->out, a->error); }
static psam_status customers_list(const attempt *a) { return psam_customers_list(a->app, a->partner, a->purpose, a->cancel, a->out, a->error); }
static psam_status customers_plan(const attempt *a) { return psam_customers_plan(a->app, a->wanted, NULL, NULL, a->cancel, a->out, a->error); }
static psam_status customers_apply(const attempt *a) { return psam_customers_apply(a->app, a->wanted, NULL, NULL, a->cancel, a->out, a->error); }
static psam_status audit_verify(const attempt *a) { return psam_audit_verify(a->app, a->anchor, 1, a->cancel, a->out, a->error); }
static psam_status audit_show(const attempt *a) { return psam_audit_show(a->app, a->query, a->cancel, a->out, a->error); }
static psam_status revoke_with(const attempt *a) { return psam_grant_revoke_with(a->app, a->partner, a->flags, a->cancel, a->out, a->error); }
static psam_status incident_plan(const attempt *a) { return psam_incident_plan(a->app, a->incident, a->cancel, a->out, a->error); }
static psam_status incident_run(const attempt *a) { return psam_incident_run(a->app, a->incident, NULL, NULL, a->cancel, a->out, a->error); }
static psam_status key_status(const attempt *a) { return psam_key_status(a->app, a->cancel, a->out, a->error); }
static psam_status key_rotate(const attempt *a) { return psam_key_rotate(a->app, a->rotation, NULL, NULL, a->cancel, a->out, a->error); }
static psam_status key_retire(const attempt *a) { return psam_key_retire(a->app, a->cancel, a->out, a->error); }
static psam_status store_export(const attempt *a) { return psam_store_export(a->app, a->file, a->recipients, a->passphrase, NULL, NULL, a->cancel, a->out, a->error); }
static psam_status store_import(const attempt *a) { return psam_store_import(a->app, a->file, a->identity, a->passphrase, NULL, NULL, a->cancel, a->out, a->error); }
static psam_status import_plan(const attempt *a) { return psam_grant_import_plan(a->app, a->moving, a->given, a->given_length, a->cancel, a->out, a->error); }
static psam_status import_from(const attempt *a) { return psam_grant_import_from(a->app, a->moving, a->given, a->given_length, a->cancel, a->out, a->error); }
static psam_status explain(const attempt *a) { return psam_explain(a->text, a->out, a->error); }

static psam_status free_app(void *handle) { return psam_app_free(handle); }
static psam_status free_checkup(void *handle) { return psam_checkup_free(handle); }
static psam_status free_cancel(void *handle) { return psam_cancel_free(handle); }
static psam_status free_link(void *handle) { return psam_consent_link_free(handle); }
static psam_status free_grants(void *handle) { return psam_grants_free(handle); }
static psam_status free_document(void *handle) { return psam_document_free(handle); }
static psam_status free_explanation(void *handle) { return psam_explanation_free(handle); }

/* With all arguments right: what comes of it in an app where nobody has consented, and how a result is freed. */
static const struct {
    const char *name;
    psam_status (*call)(const attempt *);
    int uses;
    psam_status right;
    psam_status (*release)(void *);
} functions[] = {
    {"psam_app_open", app_open, CONFIG | OUT, PSAM_OK, free_app},
    {"psam_app_open_file", app_open_file, PATH | OUT, PSAM_ERROR_CONFIG_MISSING, NULL},
    {"psam_app_open_with_signer", app_open_with_signer, CONFIG | OUT, PSAM_ERROR_CONFIG_MISSING, NULL},
    {"psam_app_open_with_assertion", app_open_with_assertion, CONFIG | OUT, PSAM_OK, free_app},
    {"psam_doctor", doctor, APP | PARTNER | PARTNER_OR_NULL | CUSTOMER | CANCEL | OUT, PSAM_OK, free_checkup},
    {"psam_cancel_new", cancel_new, OUT, PSAM_OK, free_cancel},
    {"psam_token_get", token_get, APP | PARTNER | PARTNER_OR_NULL | CUSTOMER | AUDIENCE | TOKEN_OPTIONS | OUT, PSAM_ERROR_CONSENT_REQUIRED, NULL},
    {"psam_consent_begin", consent_begin, APP | PARTNER | AUDIENCES | CONSENT_OPTIONS | OUT, PSAM_OK, free_link},
    {"psam_consent_complete", consent_complete, APP | REPLY | FLAGS | CANCEL | OUT, PSAM_ERROR_CONSENT_STATE_UNKNOWN, NULL},
    {"psam_grants_list", grants_list, APP | CANCEL | OUT, PSAM_OK, free_grants},
    {"psam_grant_import", grant_import, APP | PARTNER | REFRESH_TOKEN | AUDIENCES | PURPOSE | FLAGS | CANCEL | OUT, PSAM_ERROR_GRANT_REVOKED, NULL},
    {"psam_grant_renew", grant_renew, APP | PARTNER | CANCEL, PSAM_ERROR_CONSENT_REQUIRED, NULL},
    {"psam_grant_revoke", grant_revoke, APP | PARTNER | CANCEL, PSAM_OK, NULL},
    {"psam_grants_renew_due", renew_due, APP | CANCEL | OUT, PSAM_OK, free_document},
    {"psam_app_store_condition", store_condition, APP | OUT, PSAM_OK, free_document},
    {"psam_customers_list", customers_list, APP | PARTNER | PARTNER_OR_NULL | PURPOSE | CANCEL | OUT, PSAM_ERROR_CONSENT_REQUIRED, NULL},
    {"psam_customers_plan", customers_plan, APP | WANTED | CANCEL | OUT, PSAM_ERROR_CONSENT_REQUIRED, NULL},
    {"psam_customers_apply", customers_apply, APP | WANTED | CANCEL | OUT, PSAM_ERROR_CONSENT_REQUIRED, NULL},
    {"psam_audit_verify", audit_verify, APP | ANCHOR | CANCEL | OUT, PSAM_OK, free_document},
    {"psam_audit_show", audit_show, APP | QUERY | CANCEL | OUT, PSAM_OK, free_document},
    {"psam_grant_revoke_with", revoke_with, APP | PARTNER | REVOKE_FLAGS | CANCEL | OUT, PSAM_OK, free_document},
    {"psam_incident_plan", incident_plan, APP | INCIDENT | CANCEL | OUT, PSAM_ERROR_CONSENT_REQUIRED, NULL},
    {"psam_incident_run", incident_run, APP | INCIDENT | CANCEL | OUT, PSAM_ERROR_CONSENT_REQUIRED, NULL},
    {"psam_key_status", key_status, APP | CANCEL | OUT, PSAM_OK, free_document},
    {"psam_key_rotate", key_rotate, APP | ROTATION | CANCEL | OUT, PSAM_OK, free_document},
    {"psam_key_retire", key_retire, APP | CANCEL | OUT, PSAM_OK, free_document},
    {"psam_store_export", store_export, APP | FILE_PATH | RECIPIENTS | PASSPHRASE | CANCEL | OUT, PSAM_ERROR_INVALID_ARGUMENT, NULL},
    {"psam_store_import", store_import, APP | FILE_PATH | IDENTITY | PASSPHRASE | CANCEL | OUT, PSAM_ERROR_INVALID_ARGUMENT, NULL},
    {"psam_grant_import_plan", import_plan, APP | MOVING | CANCEL | OUT, PSAM_OK, free_document},
    {"psam_grant_import_from", import_from, APP | MOVING | CANCEL | OUT, PSAM_ERROR_GRANT_REVOKED, NULL},
    {"psam_explain", explain, TEXT | OUT, PSAM_OK, free_explanation},
};
enum { FUNCTIONS = sizeof functions / sizeof *functions };

static const struct {
    int use;
    size_t offset;
    bool needed;
} texts[] = {
    {CONFIG, offsetof(attempt, config), false},       {PATH, offsetof(attempt, path), true},
    {PARTNER, offsetof(attempt, partner), true},      {CUSTOMER, offsetof(attempt, customer), false},
    {AUDIENCE, offsetof(attempt, audience), true},    {AUDIENCES, offsetof(attempt, audiences), false},
    {REPLY, offsetof(attempt, reply), true},          {REFRESH_TOKEN, offsetof(attempt, refresh_token), true},
    {TEXT, offsetof(attempt, text), true},            {PURPOSE, offsetof(attempt, purpose), false},
    {WANTED, offsetof(attempt, wanted), true},        {INCIDENT, offsetof(attempt, incident), true},
    {MOVING, offsetof(attempt, moving), true},
    {QUERY, offsetof(attempt, query), false},         {ANCHOR, offsetof(attempt, anchor), false},
    {ROTATION, offsetof(attempt, rotation), false},   {FILE_PATH, offsetof(attempt, file), true},
    {RECIPIENTS, offsetof(attempt, recipients), false}, {IDENTITY, offsetof(attempt, identity), false},
    {PASSPHRASE, offsetof(attempt, passphrase), false},
};

static const char *const not_utf8[] = {"\xff\xfe", "fabrikam.com\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "a\x80z"};

static union {
    void *handle;
    int64_t number;
} result;

/* A mark that no function writes by itself. */
static void *const untouched = (void *)0x5a5a5a5a5a5aULL;

/* Calls once with a place for the error and once without. */
static void expect(size_t function, attempt given, psam_status expected, const char *how) {
    psam_error *error = NULL;
    for (int with_error = 1; with_error >= 0; with_error--) {
        result.handle = untouched;
        given.error = with_error ? &error : NULL;
        psam_status found = functions[function].call(&given);
        bool good = found == expected && (expected == PSAM_OK || result.handle == untouched);
        if (with_error) good = good && psam_error_status(error) == expected && (error == NULL) == (expected == PSAM_OK);
        if (!good) {
            char *said = text("%s with %s: %d instead of %d: %s", functions[function].name, how, found, expected, error ? psam_error_message(error) : "no error");
            CHECK(said == NULL);
            fprintf(stderr, "  %s\n", said);
            free(said);
        }
        if (found == PSAM_OK && functions[function].release) CHECK(functions[function].release(result.handle) == PSAM_OK);
        psam_error_free(error);
        error = NULL;
    }
}

static psam_app *app;

static attempt right(void) {
    static psam_token_options token_options;
    static psam_consent_options consent_options;
    token_options = (psam_token_options){.struct_size = sizeof token_options};
    consent_options = (psam_consent_options){.struct_size = sizeof consent_options};
    return (attempt){.app = app,
                     .config = "{\"store\":\"memory:\"}",
                     .path = "/nowhere/partnersam.toml",
                     .partner = FABRIKAM,
                     .customer = CONTOSO,
                     .audience = "graph",
                     .audiences = "graph,arm",
                     .reply = "code=not-a-real-code&state=not-a-real-state",
                     .refresh_token = "not-a-real-refresh-token",
                     .text = "50076",
                     .wanted = "{\"partner\":\"fabrikam.com\",\"grants\":{\"display_name\":\"Test Panel\",\"grants\":{\"graph\":[\"User.Read\"]}}}",
                     .incident = "{\"partners\":[\"fabrikam.com\"]}",
                     .rotation = "{\"dry_run\":true}",
                     .file = "/nowhere/grants.age",
                     .moving = "{\"partner\":\"fabrikam.com\"}",
                     .given = (const uint8_t *)"not-a-real-refresh-token",
                     .given_length = strlen("not-a-real-refresh-token"),
                     .token_options = &token_options,
                     .consent_options = &consent_options,
                     .out = &result};
}

static void all_right(void) {
    app = new_app();
    REQUIRE(app != NULL);
    for (size_t i = 0; i < FUNCTIONS; i++) expect(i, right(), functions[i].right, "all arguments right");
    psam_app_free(app);
}

static void bad_texts(void) {
    app = new_app();
    REQUIRE(app != NULL);
    enum { LONG = (1 << 20) + 1 };
    char *long_text = malloc(LONG + 1);
    memset(long_text, 'a', LONG);
    long_text[LONG] = '\0';
    for (size_t i = 0; i < FUNCTIONS; i++) {
        for (size_t j = 0; j < sizeof texts / sizeof *texts; j++) {
            if (!(functions[i].uses & texts[j].use)) continue;
            attempt given = right();
            const char **place = (const char **)((char *)&given + texts[j].offset);
            if (texts[j].needed && !(texts[j].use == PARTNER && functions[i].uses & PARTNER_OR_NULL)) {
                *place = NULL;
                expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "a text that is NULL");
            }
            for (size_t k = 0; k < sizeof not_utf8 / sizeof *not_utf8; k++) {
                *place = not_utf8[k];
                expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "a text that is not UTF-8");
            }
            *place = long_text;
            expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "a text that is too long");
        }
    }
    free(long_text);
    psam_app_free(app);
}

static void bad_bytes(void) {
    app = new_app();
    REQUIRE(app != NULL);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (!(functions[i].uses & MOVING)) continue;
        attempt given = right();
        given.given = NULL;
        expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "bytes that are NULL and have a length");
        given.given_length = 0;
        expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "neither a source nor what was in one");
        given = right();
        given.given_length = SIZE_MAX;
        expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "more bytes than there can be");
        given = right();
        given.moving = "{\"partner\":\"fabrikam.com\",\"source\":\"old.env\"}";
        expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "a source and what was in one");
    }
    psam_app_free(app);
}

static void bad_places(void) {
    app = new_app();
    REQUIRE(app != NULL);
    static char room[sizeof(void *) * 2];
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (!(functions[i].uses & OUT)) continue;
        attempt given = right();
        given.out = NULL;
        expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "no place for the result");
        given.out = (char *)((uintptr_t)(room + sizeof(void *)) / sizeof(void *) * sizeof(void *)) + 1;
        expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "a place that is not aligned");
    }
    /* These two do without. */
    psam_error *error = NULL;
    CHECK_OK(psam_grant_revoke(app, FABRIKAM, NULL, NULL, &error), &error);
    CHECK_FAILS(PSAM_ERROR_CONSENT_REQUIRED, psam_grant_renew(app, FABRIKAM, NULL, NULL, &error), &error);
    psam_app_free(app);
}

static void bad_handles(void) {
    app = new_app();
    psam_app *freed_app = new_app();
    psam_cancel *cancel = NULL, *freed_cancel = NULL;
    psam_error *error = NULL;
    REQUIRE(app != NULL && freed_app != NULL);
    REQUIRE_OK(psam_cancel_new(&cancel, &error), &error);
    REQUIRE_OK(psam_cancel_new(&freed_cancel, &error), &error);
    CHECK(psam_app_free(freed_app) == PSAM_OK && psam_cancel_free(freed_cancel) == PSAM_OK);
    int local = 0;
    void *no_apps[] = {NULL, freed_app, cancel, freed_cancel, &local, (void *)1, (void *)0x10, (void *)UINTPTR_MAX, (char *)app + 1};
    void *no_cancels[] = {app, freed_app, freed_cancel, &local, (void *)1, (void *)0x70, (void *)UINTPTR_MAX};
    for (size_t i = 0; i < FUNCTIONS; i++) {
        for (size_t j = 0; functions[i].uses & APP && j < sizeof no_apps / sizeof *no_apps; j++) {
            attempt given = right();
            given.app = no_apps[j];
            expect(i, given, PSAM_ERROR_HANDLE_INVALID, "what is no app");
        }
        for (size_t j = 0; j < sizeof no_cancels / sizeof *no_cancels; j++) {
            attempt given = right();
            psam_token_options token_options = *given.token_options;
            psam_consent_options consent_options = *given.consent_options;
            given.token_options = &token_options;
            given.consent_options = &consent_options;
            given.cancel = no_cancels[j];
            token_options.cancel = consent_options.cancel = no_cancels[j];
            if (functions[i].uses & (CANCEL | TOKEN_OPTIONS | CONSENT_OPTIONS)) expect(i, given, PSAM_ERROR_HANDLE_INVALID, "what is no cancel");
        }
    }
    CHECK(psam_cancel_free(cancel) == PSAM_OK);
    CHECK(psam_app_free(app) == PSAM_OK);
}

/* The same struct as a later header could have it. */
typedef struct {
    union {
        size_t struct_size;
        psam_token_options token;
        psam_consent_options consent;
        char room[256];
    };
} later_options;

static void bad_options(void) {
    app = new_app();
    REQUIRE(app != NULL);
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (!(functions[i].uses & (TOKEN_OPTIONS | CONSENT_OPTIONS))) continue;
        size_t size = functions[i].uses & TOKEN_OPTIONS ? sizeof(psam_token_options) : sizeof(psam_consent_options);
        later_options options;
        attempt given = right();
        given.token_options = &options.token;
        given.consent_options = &options.consent;

        size_t sizes[] = {0, 1, sizeof(size_t), size - 1, (size_t)1 << 20, SIZE_MAX};
        for (size_t j = 0; j < sizeof sizes / sizeof *sizes; j++) {
            memset(&options, 0, sizeof options);
            options.struct_size = sizes[j];
            expect(i, given, PSAM_ERROR_INVALID_ARGUMENT, "options of a size that there is not");
        }
        memset(&options, 0, sizeof options);
        options.struct_size = sizeof options;
        expect(i, given, functions[i].right, "options of a later header, unused");
        options.room[sizeof options - 1] = 1;
        expect(i, given, PSAM_ERROR_NOT_SUPPORTED, "an option that only a later library knows");

        given.token_options = NULL;
        given.consent_options = NULL;
        if (functions[i].uses & TOKEN_OPTIONS) expect(i, given, functions[i].right, "no options");
    }
    for (size_t i = 0; i < FUNCTIONS; i++) {
        if (!(functions[i].uses & (FLAGS | REVOKE_FLAGS))) continue;
        for (uint32_t flag = functions[i].uses & FLAGS ? 2 : 4; flag; flag <<= 1) {
            attempt given = right();
            given.flags = flag;
            expect(i, given, PSAM_ERROR_NOT_SUPPORTED, "a flag that there is not");
        }
    }
    for (size_t k = 0; k < sizeof not_utf8 / sizeof *not_utf8; k++) {
        psam_error *error = NULL;
        psam_token *token = NULL;
        psam_consent_link *link = NULL;
        psam_token_options token_options = {.struct_size = sizeof token_options, .claims = not_utf8[k]};
        CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_token_get(app, NULL, NULL, "graph", &token_options, &token, &error), &error);
        for (int field = 0; field < 4; field++) {
            psam_consent_options options = {.struct_size = sizeof options};
            *(field == 0 ? &options.redirect_uri : field == 1 ? &options.purpose : field == 2 ? &options.login_hint : &options.claims) = not_utf8[k];
            CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_consent_begin(app, FABRIKAM, NULL, &options, &link, &error), &error);
        }
    }
    psam_error *error = NULL;
    psam_consent_link *link = NULL;
    psam_consent_options options = {.struct_size = sizeof options, .flags = 2};
    CHECK_FAILS(PSAM_ERROR_NOT_SUPPORTED, psam_consent_begin(app, FABRIKAM, NULL, &options, &link, &error), &error);
    options = (psam_consent_options){.struct_size = sizeof options, .redirect_uri = "not an address"};
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_consent_begin(app, FABRIKAM, NULL, &options, &link, &error), &error);
    psam_app_free(app);
}

static void values_that_mean_nothing(void) {
    psam_error *error = NULL;
    psam_token *token = NULL;
    psam_consent_link *link = NULL;
    app = new_app();
    REQUIRE(app != NULL);
    const char *partners[] = {"", "common", "a/b.com", "fabrikam.com?x=1", "fabrikam.com\n"};
    for (size_t i = 0; i < 4; i++) CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_token_get(app, partners[i], NULL, "graph", NULL, &token, &error), &error);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_token_get(app, NULL, NULL, "grph", NULL, &token, &error), &error);
    const char *lists[] = {"", ",", "graph,", "graph,,arm", "graph,grph"};
    for (size_t i = 0; i < 5; i++) CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_consent_begin(app, FABRIKAM, lists[i], NULL, &link, &error), &error);
    psam_app_free(app);
}

void print_covered_here(void) {
    for (size_t i = 0; i < FUNCTIONS; i++) printf("%s\n", functions[i].name);
}

const test_case argument_cases[] = {{"arguments: all right, with and without a place for the error", all_right},
                                    {"arguments: a text that is NULL, not UTF-8 or too long is a typed error", bad_texts},
                                    {"arguments: bytes and sources that contradict each other are a typed error", bad_bytes},
                                    {"arguments: a place for the result that is missing or not aligned is a typed error", bad_places},
                                    {"arguments: an app or a cancel that is none is a typed error", bad_handles},
                                    {"arguments: options grow without breaking, and unknown ones are refused", bad_options},
                                    {"arguments: values that mean nothing are typed errors", values_that_mean_nothing},
                                    {NULL, NULL}};

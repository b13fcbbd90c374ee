/* Every function that takes a handle alone, with every handle that is not the right one: NULL, freed, of another type, no handle at all. */
#include "psam_test.h"

enum { APP, TOKEN, LINK, CONSENTED, GRANTS, ERROR, CANCEL, EXPLANATION, CHECKUP, DOCUMENT, KINDS };

/* Kind, function, and what it must say of the handle `h` when that is not valid. */
#define GETTERS(G)                                                                                                                                             \
    G(TOKEN, psam_token_secret, psam_token_secret(h) == NULL)                                                                                                  \
    G(TOKEN, psam_token_secret_length, psam_token_secret_length(h) == 0)                                                                                       \
    G(TOKEN, psam_token_expires_on, psam_token_expires_on(h) == 0)                                                                                             \
    G(TOKEN, psam_token_refresh_after, psam_token_refresh_after(h) == 0)                                                                                       \
    G(TOKEN, psam_token_partner, psam_token_partner(h) == NULL)                                                                                                \
    G(TOKEN, psam_token_tenant, psam_token_tenant(h) == NULL)                                                                                                  \
    G(TOKEN, psam_token_audience, psam_token_audience(h) == NULL)                                                                                              \
    G(TOKEN, psam_token_scopes, psam_token_scopes(h) == NULL)                                                                                                  \
    G(TOKEN, psam_token_mfa, psam_token_mfa(h) == PSAM_MFA_UNKNOWN)                                                                                            \
    G(TOKEN, psam_token_warning_count, psam_token_warning_count(h) == 0)                                                                                       \
    G(TOKEN, psam_token_warning_json, psam_token_warning_json(h, 0) == NULL)                                                                                   \
    G(TOKEN, psam_token_json, psam_token_json(h) == NULL)                                                                                                      \
    G(LINK, psam_consent_link_url, psam_consent_link_url(h) == NULL)                                                                                           \
    G(LINK, psam_consent_link_state, psam_consent_link_state(h) == NULL)                                                                                       \
    G(LINK, psam_consent_link_partner, psam_consent_link_partner(h) == NULL)                                                                                   \
    G(LINK, psam_consent_link_redirect_uri, psam_consent_link_redirect_uri(h) == NULL)                                                                         \
    G(LINK, psam_consent_link_expires_on, psam_consent_link_expires_on(h) == 0)                                                                                \
    G(CONSENTED, psam_consented_json, psam_consented_json(h) == NULL)                                                                                          \
    G(CONSENTED, psam_consented_partner, psam_consented_partner(h) == NULL)                                                                                    \
    G(CONSENTED, psam_consented_name, psam_consented_name(h) == NULL)                                                                                          \
    G(CONSENTED, psam_consented_user_name, psam_consented_user_name(h) == NULL)                                                                                \
    G(CONSENTED, psam_consented_taints, psam_consented_taints(h) == NULL)                                                                                      \
    G(CONSENTED, psam_consented_mfa, psam_consented_mfa(h) == PSAM_MFA_UNKNOWN)                                                                                \
    G(CONSENTED, psam_consented_expires_on, psam_consented_expires_on(h) == 0)                                                                                 \
    G(CONSENTED, psam_consented_audience_count, psam_consented_audience_count(h) == 0)                                                                         \
    G(CONSENTED, psam_consented_audience, psam_consented_audience(h, 0) == NULL)                                                                               \
    G(CONSENTED, psam_consented_audience_status, psam_consented_audience_status(h, 0) == PSAM_ERROR_HANDLE_INVALID)                                            \
    G(CONSENTED, psam_consented_audience_error_json, psam_consented_audience_error_json(h, 0) == NULL)                                                         \
    G(GRANTS, psam_grants_count, psam_grants_count(h) == 0)                                                                                                    \
    G(GRANTS, psam_grants_json, psam_grants_json(h) == NULL)                                                                                                   \
    G(GRANTS, psam_grants_item_json, psam_grants_item_json(h, 0) == NULL)                                                                                      \
    G(GRANTS, psam_grants_partner, psam_grants_partner(h, 0) == NULL)                                                                                          \
    G(GRANTS, psam_grants_name, psam_grants_name(h, 0) == NULL)                                                                                                \
    G(GRANTS, psam_grants_user_name, psam_grants_user_name(h, 0) == NULL)                                                                                      \
    G(GRANTS, psam_grants_audiences, psam_grants_audiences(h, 0) == NULL)                                                                                      \
    G(GRANTS, psam_grants_purpose, psam_grants_purpose(h, 0) == NULL)                                                                                          \
    G(GRANTS, psam_grants_taints, psam_grants_taints(h, 0) == NULL)                                                                                            \
    G(GRANTS, psam_grants_mfa, psam_grants_mfa(h, 0) == PSAM_MFA_UNKNOWN)                                                                                      \
    G(GRANTS, psam_grants_condition, psam_grants_condition(h, 0) == NULL)                                                                                      \
    G(GRANTS, psam_grants_generation, psam_grants_generation(h, 0) == 0)                                                                                       \
    G(GRANTS, psam_grants_consented_on, psam_grants_consented_on(h, 0) == 0)                                                                                   \
    G(GRANTS, psam_grants_last_redeemed_on, psam_grants_last_redeemed_on(h, 0) == 0)                                                                           \
    G(GRANTS, psam_grants_renew_after, psam_grants_renew_after(h, 0) == 0)                                                                                     \
    G(GRANTS, psam_grants_expires_on, psam_grants_expires_on(h, 0) == 0)                                                                                       \
    G(ERROR, psam_error_json, psam_error_json(h) == NULL)                                                                                                      \
    G(ERROR, psam_error_schema_version, psam_error_schema_version(h) == 0)                                                                                     \
    G(ERROR, psam_error_status, psam_error_status(h) == PSAM_OK)                                                                                               \
    G(ERROR, psam_error_id, psam_error_id(h) == NULL)                                                                                                          \
    G(ERROR, psam_error_category, psam_error_category(h) == NULL)                                                                                              \
    G(ERROR, psam_error_retry, psam_error_retry(h) == NULL)                                                                                                    \
    G(ERROR, psam_error_actor, psam_error_actor(h) == NULL)                                                                                                    \
    G(ERROR, psam_error_operation, psam_error_operation(h) == NULL)                                                                                            \
    G(ERROR, psam_error_message, psam_error_message(h) == NULL)                                                                                                \
    G(ERROR, psam_error_hint, psam_error_hint(h) == NULL)                                                                                                      \
    G(ERROR, psam_error_help, psam_error_help(h) == NULL)                                                                                                      \
    G(ERROR, psam_error_retry_after, psam_error_retry_after(h) == -1)                                                                                          \
    G(ERROR, psam_error_http_status, psam_error_http_status(h) == 0)                                                                                           \
    G(ERROR, psam_error_service_code, psam_error_service_code(h) == NULL)                                                                                      \
    G(ERROR, psam_error_entra_error, psam_error_entra_error(h) == NULL)                                                                                        \
    G(ERROR, psam_error_entra_code_count, psam_error_entra_code_count(h) == 0)                                                                                 \
    G(ERROR, psam_error_entra_code, psam_error_entra_code(h, 0) == 0)                                                                                          \
    G(ERROR, psam_error_suberror, psam_error_suberror(h) == NULL)                                                                                              \
    G(ERROR, psam_error_trace_id, psam_error_trace_id(h) == NULL)                                                                                              \
    G(ERROR, psam_error_correlation_id, psam_error_correlation_id(h) == NULL)                                                                                  \
    G(ERROR, psam_error_timestamp, psam_error_timestamp(h) == NULL)                                                                                            \
    G(ERROR, psam_error_claims, psam_error_claims(h) == NULL)                                                                                                  \
    G(ERROR, psam_error_context_count, psam_error_context_count(h) == 0)                                                                                       \
    G(ERROR, psam_error_context_key, psam_error_context_key(h, 0) == NULL)                                                                                     \
    G(ERROR, psam_error_context_value, psam_error_context_value(h, 0) == NULL)                                                                                 \
    G(ERROR, psam_error_cause_count, psam_error_cause_count(h) == 0)                                                                                           \
    G(ERROR, psam_error_cause, psam_error_cause(h, 0) == NULL)                                                                                                 \
    G(CANCEL, psam_cancel_trip, psam_cancel_trip(h) == PSAM_ERROR_HANDLE_INVALID)                                                                              \
    G(EXPLANATION, psam_explanation_json, psam_explanation_json(h) == NULL)                                                                                    \
    G(EXPLANATION, psam_explanation_count, psam_explanation_count(h) == 0)                                                                                     \
    G(EXPLANATION, psam_explanation_code, psam_explanation_code(h, 0) == NULL)                                                                                 \
    G(EXPLANATION, psam_explanation_meaning, psam_explanation_meaning(h, 0) == NULL)                                                                           \
    G(EXPLANATION, psam_explanation_hint, psam_explanation_hint(h, 0) == NULL)                                                                                 \
    G(EXPLANATION, psam_explanation_command, psam_explanation_command(h, 0) == NULL)                                                                           \
    G(EXPLANATION, psam_explanation_link, psam_explanation_link(h, 0) == NULL)                                                                                 \
    G(CHECKUP, psam_checkup_verdict, psam_checkup_verdict(h) == PSAM_LEVEL_FAIL)                                                                               \
    G(CHECKUP, psam_checkup_json, psam_checkup_json(h) == NULL)                                                                                                \
    G(DOCUMENT, psam_document_json, psam_document_json(h) == NULL)

#define FREES(F)                                                                                                                                               \
    F(APP, psam_app_free)                                                                                                                                      \
    F(TOKEN, psam_token_free)                                                                                                                                  \
    F(LINK, psam_consent_link_free)                                                                                                                            \
    F(CONSENTED, psam_consented_free)                                                                                                                          \
    F(GRANTS, psam_grants_free)                                                                                                                                \
    F(ERROR, psam_error_free)                                                                                                                                  \
    F(CANCEL, psam_cancel_free)                                                                                                                                \
    F(EXPLANATION, psam_explanation_free)                                                                                                                      \
    F(CHECKUP, psam_checkup_free)                                                                                                                              \
    F(DOCUMENT, psam_document_free)

#define AS_FUNCTION(kind, name, neutral)                                                                                                                       \
    static bool name##_is_neutral(void *h) { return neutral; }
GETTERS(AS_FUNCTION)

#define FREE_AS_FUNCTION(kind, name)                                                                                                                           \
    static psam_status name##_of(void *h) { return name(h); }
FREES(FREE_AS_FUNCTION)

#define AS_ROW(kind, name, neutral) {kind, #name, name##_is_neutral},
static const struct {
    int kind;
    const char *name;
    bool (*is_neutral)(void *);
} getters[] = {GETTERS(AS_ROW)};

#define FREE_AS_ROW(kind, name) {kind, #name, name##_of},
static const struct {
    int kind;
    const char *name;
    psam_status (*call)(void *);
} frees[] = {FREES(FREE_AS_ROW)};

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* One handle of each kind. */
static bool one_of_each(void *handles[KINDS]) {
    psam_error *error = NULL;
    psam_app *app = new_app();
    psam_consent_link *link = NULL;
    psam_consented *consented = NULL;
    psam_token *token = NULL;
    psam_grants *grants = NULL;
    psam_cancel *cancel = NULL;
    psam_explanation *explanation = NULL;
    psam_checkup *checkup = NULL;
    psam_document *document = NULL;
    tell("reset");
    if (!app || !CHECK_OK(psam_consent_begin(app, "fabrikam.com", "graph", NULL, &link, &error), &error)) return false;
    char *reply = ask("sign-in admin@fabrikam.com %s", psam_consent_link_url(link));
    bool good = CHECK_OK(psam_consent_complete(app, reply, 0, NULL, &consented, &error), &error) &&
                CHECK_OK(psam_token_get(app, NULL, NULL, "graph", NULL, &token, &error), &error) &&
                CHECK_OK(psam_grants_list(app, NULL, &grants, &error), &error) && CHECK_OK(psam_cancel_new(&cancel, &error), &error) &&
                CHECK_OK(psam_explain("50076", &explanation, &error), &error) && CHECK_OK(psam_doctor(app, NULL, NULL, NULL, &checkup, &error), &error) &&
                CHECK_OK(psam_app_store_condition(app, &document, &error), &error);
    free(reply);
    CHECK(psam_consent_complete(app, "", 0, NULL, &consented, &error) != PSAM_OK);
    handles[APP] = app;
    handles[TOKEN] = token;
    handles[LINK] = link;
    handles[CONSENTED] = consented;
    handles[GRANTS] = grants;
    handles[ERROR] = error;
    handles[CANCEL] = cancel;
    handles[EXPLANATION] = explanation;
    handles[CHECKUP] = checkup;
    handles[DOCUMENT] = document;
    return good && error != NULL;
}

static void free_all(void *handles[KINDS]) {
    for (size_t i = 0; i < COUNT(frees); i++) CHECK(frees[i].call(handles[frees[i].kind]) == PSAM_OK);
}

static void nothing_but_the_right_handle(void) {
    void *live[KINDS] = {0}, *freed[KINDS] = {0};
    REQUIRE(one_of_each(freed));
    free_all(freed);
    REQUIRE(one_of_each(live));
    int local = 0;
    void *foreign[] = {NULL, &local, (void *)"text", (void *)(uintptr_t)&free_all, (void *)1, (void *)0x10, (void *)UINTPTR_MAX, (char *)live[TOKEN] + 1, malloc(64)};

    for (size_t i = 0; i < COUNT(getters); i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            check(getters[i].is_neutral(freed[kind]), getters[i].name, "with a freed handle", kind);
            if (kind != getters[i].kind) check(getters[i].is_neutral(live[kind]), getters[i].name, "with a handle of another type", kind);
        }
        for (size_t j = 0; j < COUNT(foreign); j++) check(getters[i].is_neutral(foreign[j]), getters[i].name, "with no handle", (int)j);
    }
    for (size_t i = 0; i < COUNT(frees); i++) {
        for (int kind = 0; kind < KINDS; kind++) {
            check(frees[i].call(freed[kind]) == PSAM_ERROR_HANDLE_INVALID, frees[i].name, "with a freed handle", kind);
            if (kind != frees[i].kind) check(frees[i].call(live[kind]) == PSAM_ERROR_HANDLE_INVALID, frees[i].name, "with a handle of another type", kind);
        }
        CHECK(frees[i].call(NULL) == PSAM_OK);
        for (size_t j = 1; j < COUNT(foreign); j++) check(frees[i].call(foreign[j]) == PSAM_ERROR_HANDLE_INVALID, frees[i].name, "with no handle", (int)j);
    }
    free(foreign[COUNT(foreign) - 1]);
    /* All that did no harm to those that are live. */
    CHECK(psam_token_secret(live[TOKEN]) != NULL && psam_grants_count(live[GRANTS]) == 1 && psam_cancel_trip(live[CANCEL]) == PSAM_OK);
    free_all(live);
}

static void freed_stays_freed(void) {
    psam_error *old[64] = {0}, *error = NULL;
    psam_app *app = NULL;
    for (size_t i = 0; i < COUNT(old); i++) {
        CHECK(psam_app_open("", &app, &old[i]) != PSAM_OK);
        psam_error_free(old[i]);
    }
    for (int i = 0; i < 2000; i++) {
        CHECK(psam_app_open("", &app, &error) != PSAM_OK);
        for (size_t j = 0; j < COUNT(old); j++) CHECK(old[j] != error && psam_error_json(old[j]) == NULL);
        psam_error_free(error);
        error = NULL;
    }
}

void print_covered_here(void);

void print_covered(void) {
    print_covered_here();
    for (size_t i = 0; i < COUNT(getters); i++) printf("%s\n", getters[i].name);
    for (size_t i = 0; i < COUNT(frees); i++) printf("%s\n", frees[i].name);
    /* These take nothing that can be wrong; surface.c has them. */
    puts("psam_abi_version\npsam_version\npsam_status_id\npsam_status_sentence");
}

const test_case handle_cases[] = {{"handles: NULL, freed, of another type or no handle at all is recognized by every function", nothing_but_the_right_handle},
                                  {"handles: a freed handle stays freed when others take its place", freed_stays_freed},
                                  {NULL, NULL}};

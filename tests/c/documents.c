/* Operations whose requests and answers are JSON documents: customers, renewals, the audit record, revocation at the service, the incident, the store's key
   and its journey to another host. */
#include "psam_test.h"

#include <pthread.h>

#define WANTED "\"grants\":{\"display_name\":\"Test Panel\",\"grants\":{\"graph\":[\"Directory.Read.All\",\"User.Read\"]}}"
#define MAY_REVOKE                                                                                                                                             \
    "scenario {\"consent\":{\"tenant\":\"fabrikam.com\",\"resource\":\"graph\",\"scopes\":[\"User.RevokeSessions.All\"],\"granted\":true}}"

/* What an operation has told of: how often, the last numbers, and whether each was what it should be. */
typedef struct {
    psam_app *app;
    pthread_t caller;
    const char *must_have;
    size_t count, total;
    bool good;
} progress;

static void heard_of(void *user_data, size_t done, size_t total, const char *item_json) {
    progress *heard = user_data;
    heard->count++;
    heard->total = total;
    psam_document *document = NULL;
    /* Who waited here would wait for the one who told. */
    bool refused = psam_customers_list(heard->app, NULL, NULL, NULL, &document, NULL) == PSAM_ERROR_NOT_SUPPORTED;
    heard->good = heard->good && done == heard->count && refused && pthread_equal(heard->caller, pthread_self()) && strstr(item_json, heard->must_have) != NULL;
}

static void customers(void) {
    psam_app *app = new_app();
    progress heard = {.app = app, .caller = pthread_self(), .must_have = "\"domain\":\"wingtip.example\"", .good = true};
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_customers_list(app, NULL, NULL, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"schema_version\":1", "\"count\":5", "\"domain\":\"contoso.com\"");
    REQUIRE_OK(psam_customers_plan(app, "{" WANTED "}", NULL, NULL, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"operation\":\"plan\"", "\"no_consent\":1", "\"failed\":0");
    char *request = text("{\"partner\":\"fabrikam.com\",\"customers\":[\"wingtip.example\"],\"journal\":\"%s/private/journal\"," WANTED "}", getenv("TMPDIR"));
    REQUIRE_OK(psam_customers_apply(app, request, heard_of, &heard, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"operation\":\"apply\"", "\"applied\":1", "\"consented\":[\"graph\"]");
    CHECK(heard.good && heard.count == 1);
    free(request);
    psam_token *token = NULL;
    CHECK_OK(psam_token_get(app, NULL, "wingtip.example", "graph", NULL, &token, &error), &error);
    psam_token_free(token);
    const char *bad[] = {"", "[]", "{}", "{\"customer\":\"contoso.com\"," WANTED "}", "{\"grants_file\":\"x\"," WANTED "}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_customers_plan(app, bad[i], NULL, NULL, NULL, &document, &error), &error);
    psam_app_free(app);
}

static void renewals_and_store(void) {
    psam_app *app = new_app();
    progress heard = {.app = app, .caller = pthread_self(), .must_have = "\"partner\":\"" FABRIKAM "\"", .good = true};
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_grants_renew_due(app, 0, heard_of, &heard, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"renewed\":0", "\"failed\":0", "\"partners\":[]");
    CHECK(heard.count == 0);
    REQUIRE_OK(psam_grants_renew_due(app, 90, heard_of, &heard, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"renewed\":1", FABRIKAM);
    CHECK(heard.good && heard.count == 1 && heard.total == 1);
    REQUIRE_OK(psam_app_store_condition(app, &document, &error), &error);
    CHECK_HOLDS(document, "\"condition\":\"ok\"", "\"error\":null", "\"store\":");
    psam_app_free(app);
}

static void record(void) {
    psam_app *app = new_app();
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_audit_verify(app, NULL, 1, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"whole\":true", "\"faults\":[]", "\"anchor\":\"");
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_audit_verify(app, "not an anchor", 1, NULL, &document, &error), &error);
    REQUIRE_OK(psam_audit_show(app, "{\"operation\":\"consent\",\"outcome\":\"ok\",\"partner\":\"fabrikam.com\"}", NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"unreadable\":0", "\"operation\":\"consent\"", FABRIKAM);
    REQUIRE_OK(psam_audit_show(app, "{\"since\":\"2999\"}", NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"lines\":[]");
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_audit_show(app, "{\"since\":\"yesterday\"}", NULL, &document, &error), &error);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_audit_show(app, "{\"from\":\"2026\"}", NULL, &document, &error), &error);
    psam_app_free(app);
}

static void revocation(void) {
    psam_app *app = new_app();
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(app != NULL && consent(app));
    /* Without the permission that this needs: said by name, and the grant is gone all the same. */
    REQUIRE_OK(psam_grant_revoke_with(app, "fabrikam.com", PSAM_REVOKE_EVERYWHERE, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"removed\":true", "\"outcome\":\"by_hand\"", "User.RevokeSessions.All");
    tell(MAY_REVOKE);
    REQUIRE(consent(app));
    REQUIRE_OK(psam_grant_revoke_with(app, "fabrikam.com", PSAM_REVOKE_EVERYWHERE | PSAM_REVOKE_CUSTOMER_CONSENTS, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"removed\":true", "\"step\":\"consents\"", "\"step\":\"sessions\"", "\"outcome\":\"done\"");
    REQUIRE_OK(psam_grant_revoke_with(app, "fabrikam.com", 0, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"removed\":false");
    psam_app_free(app);
}

static void incident(void) {
    psam_app *app = new_app();
    progress heard = {.app = app, .caller = pthread_self(), .must_have = "\"outcome\":\"done\"", .good = true};
    psam_error *error = NULL;
    psam_document *document = NULL;
    tell(MAY_REVOKE);
    REQUIRE(app != NULL && consent(app));
    tell("forget-requests");
    REQUIRE_OK(psam_incident_plan(app, "{\"partners\":[\"fabrikam.com\"]}", NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"dry_run\":true", "\"step\":\"sessions\"", "\"step\":\"credential-add\"", "\"outcome\":\"planned\"");
    char *requests = ask("requests");
    CHECK_TEXT(requests, "0");
    free(requests);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_incident_run(app, "{}", NULL, NULL, NULL, &document, &error), &error);
    char *request = text("{\"all\":true,\"keep_credential\":true,\"evidence\":\"%s/evidence.json\"}", getenv("TMPDIR"));
    REQUIRE_OK(psam_incident_run(app, request, heard_of, &heard, NULL, &document, &error), &error);
    size_t steps = 0;
    for (const char *step = psam_document_json(document); step && (step = strstr(step, "\"outcome\":")); step++) steps++;
    CHECK(heard.good && heard.count > 1 && heard.count == steps);
    CHECK_HOLDS(document, "\"settled\":true", "\"step\":\"grant\"", "\"outcome\":\"done\"", "evidence.json");
    free(request);
    psam_token *token = NULL;
    CHECK_FAILS(PSAM_ERROR_CONSENT_REQUIRED, psam_token_get(app, "fabrikam.com", NULL, "graph", NULL, &token, &error), &error);
    psam_app_free(app);
}

static void moved_one(void *user_data, size_t done, size_t total, const char *item_json) {
    if (done == 1 && total == 1 && strcmp(item_json, "null") == 0) ++*(int *)user_data;
}

static void store_key(void) {
    int moves = 0;
    psam_app *app = new_app();
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_key_status(app, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"schema_version\":1", "\"held\":1", "\"rotation\":\"none\"", "\"source\":\"file:");
    REQUIRE_OK(psam_key_rotate(app, "{\"dry_run\":true}", NULL, NULL, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"dry_run\":true", "\"grants\":1", "\"makes_key\":true", "\"prepares_only\":false");
    REQUIRE_OK(psam_key_rotate(app, NULL, moved_one, &moves, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"moved\":1", "\"old_key_removed\":true", "\"resumed\":false", "\"prepared_only\":false");
    CHECK(moves == 1);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_key_rotate(app, "{\"now\":true}", NULL, NULL, NULL, &document, &error), &error);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_key_rotate(app, "{\"to\":\"nowhere\"}", NULL, NULL, NULL, &document, &error), &error);
    char *file = text("%s/private/another-key", getenv("TMPDIR"));
    char *request = text("{\"to\":\"file:%s\"}", file);
    remove(file);
    REQUIRE_OK(psam_key_rotate(app, request, NULL, NULL, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"moved\":1", "\"config_line\":\"key = ", "another-key");
    remove(file);
    free(request);
    free(file);
    REQUIRE_OK(psam_key_retire(app, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"old_key_removed\":true");
    psam_token *token = NULL;
    CHECK_OK(psam_token_get(app, "fabrikam.com", NULL, "graph", NULL, &token, &error), &error);
    psam_token_free(token);
    psam_app_free(app);
}

static void journey(void) {
    psam_app *old_host = new_app(), *new_host = new_app();
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(old_host != NULL && new_host != NULL && consent(old_host));
    char *file = text("%s/private/grants.age", getenv("TMPDIR"));
    remove(file);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_store_export(old_host, file, NULL, NULL, NULL, NULL, NULL, &document, &error), &error);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_store_export(old_host, file, "age1none", "not a real passphrase", NULL, NULL, NULL, &document, &error), &error);
    progress heard = {.app = old_host, .caller = pthread_self(), .must_have = "\"partner\":\"" FABRIKAM "\",\"name\":\"fabrikam.com\"", .good = true};
    REQUIRE_OK(psam_store_export(old_host, file, NULL, "not a real passphrase", heard_of, &heard, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"grants\":1", "grants.age");
    CHECK(heard.good && heard.count == 1 && heard.total == 0);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_store_export(old_host, file, NULL, "not a real passphrase", NULL, NULL, NULL, &document, &error), &error);
    CHECK_FAILS(PSAM_ERROR_STORE_KEY_WRONG, psam_store_import(new_host, file, NULL, "another passphrase", NULL, NULL, NULL, &document, &error), &error);
    heard = (progress){.app = new_host, .caller = pthread_self(), .must_have = "\"arrival\":\"came\"", .good = true};
    REQUIRE_OK(psam_store_import(new_host, file, NULL, "not a real passphrase", heard_of, &heard, NULL, &document, &error), &error);
    CHECK(heard.good && heard.count == 1 && heard.total == 1);
    CHECK_HOLDS(document, "\"taken\":1", "\"kept\":0", "\"arrival\":\"came\"", FABRIKAM);
    REQUIRE_OK(psam_store_import(new_host, file, NULL, "not a real passphrase", NULL, NULL, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"taken\":0", "\"kept\":1", "\"arrival\":\"kept_newer\"");
    psam_token *token = NULL;
    CHECK_OK(psam_token_get(new_host, "fabrikam.com", NULL, "graph", NULL, &token, &error), &error);
    psam_token_free(token);
    remove(file);
    free(file);
    psam_app_free(old_host);
    psam_app_free(new_host);
}

static void app_alone(void) {
    psam_error *error = NULL;
    psam_token *token = NULL;
    psam_token_options options = {.struct_size = sizeof options, .app_only = 1};
    psam_app *vendor = new_app(), *own = NULL;
    REQUIRE(vendor != NULL);
    CHECK_FAILS(PSAM_ERROR_NOT_SUPPORTED, psam_token_get(vendor, NULL, NULL, "graph", &options, &token, &error), &error);
    psam_app_free(vendor);
    REQUIRE_OK(psam_app_open("{\"store\":\"memory:\",\"profile\":\"csp\"}", &own, &error), &error);
    REQUIRE_OK(psam_token_get(own, NULL, NULL, "graph", &options, &token, &error), &error);
    CHECK_TEXT(psam_token_tenant(token), FABRIKAM);
    CHECK(psam_token_mfa(token) != PSAM_MFA_YES);
    psam_token_free(token);
    psam_app_free(own);
}

const test_case document_cases[] = {{"documents: customers are listed, planned and applied", customers},
                                    {"documents: what is due is renewed, and the store says how it is", renewals_and_store},
                                    {"documents: the audit record is checked and shown", record},
                                    {"documents: a grant is revoked here and at the service", revocation},
                                    {"documents: an incident is planned and run", incident},
                                    {"documents: the store gets a new key", store_key},
                                    {"documents: a store's grants travel to another host", journey},
                                    {"documents: a token of the app alone comes only by name and only to its own tenant", app_alone},
                                    {NULL, NULL}};

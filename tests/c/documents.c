/* Operations whose requests and answers are JSON documents: customers, renewals, the audit record, revocation at the service, the incident, the store's key
   and its journey to another host. */
#include "psam_test.h"

#define WANTED "\"grants\":{\"display_name\":\"Test Panel\",\"grants\":{\"graph\":[\"Directory.Read.All\",\"User.Read\"]}}"
#define MAY_REVOKE                                                                                                                                             \
    "scenario {\"consent\":{\"tenant\":\"fabrikam.com\",\"resource\":\"graph\",\"scopes\":[\"User.RevokeSessions.All\"],\"granted\":true}}"

/* Ends the document; whether all of these were in it. */
static bool holds(psam_document *document, const char *const *parts) {
    const char *json = psam_document_json(document);
    bool good = json != NULL;
    for (; good && *parts; parts++) {
        good = strstr(json, *parts) != NULL;
        if (!good) fprintf(stderr, "  no %s in %s\n", *parts, json);
    }
    CHECK(psam_document_free(document) == PSAM_OK);
    return good;
}
#define CHECK_HOLDS(document, ...) CHECK(holds(document, (const char *const[]){__VA_ARGS__, NULL}))

static void customers(void) {
    psam_app *app = new_app();
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_customers_list(app, NULL, NULL, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"schema_version\":1", "\"count\":5", "\"domain\":\"contoso.com\"");
    REQUIRE_OK(psam_customers_plan(app, "{" WANTED "}", NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"operation\":\"plan\"", "\"no_consent\":1", "\"failed\":0");
    char *request = text("{\"partner\":\"fabrikam.com\",\"customers\":[\"wingtip.example\"],\"journal\":\"%s/private/journal\"," WANTED "}", getenv("TMPDIR"));
    REQUIRE_OK(psam_customers_apply(app, request, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"operation\":\"apply\"", "\"applied\":1", "\"consented\":[\"graph\"]");
    free(request);
    psam_token *token = NULL;
    CHECK_OK(psam_token_get(app, NULL, "wingtip.example", "graph", NULL, &token, &error), &error);
    psam_token_free(token);
    const char *bad[] = {"", "[]", "{}", "{\"customer\":\"contoso.com\"," WANTED "}", "{\"grants_file\":\"x\"," WANTED "}"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_customers_plan(app, bad[i], NULL, &document, &error), &error);
    psam_app_free(app);
}

static void renewals_and_store(void) {
    psam_app *app = new_app();
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_grants_renew_due(app, 0, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"renewed\":0", "\"failed\":0", "\"partners\":[]");
    REQUIRE_OK(psam_grants_renew_due(app, 90, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"renewed\":1", FABRIKAM);
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
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_incident_run(app, "{}", NULL, &document, &error), &error);
    char *request = text("{\"all\":true,\"keep_credential\":true,\"evidence\":\"%s/evidence.json\"}", getenv("TMPDIR"));
    REQUIRE_OK(psam_incident_run(app, request, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"settled\":true", "\"step\":\"grant\"", "\"outcome\":\"done\"", "evidence.json");
    free(request);
    psam_token *token = NULL;
    CHECK_FAILS(PSAM_ERROR_CONSENT_REQUIRED, psam_token_get(app, "fabrikam.com", NULL, "graph", NULL, &token, &error), &error);
    psam_app_free(app);
}

static void store_key(void) {
    psam_app *app = new_app();
    psam_error *error = NULL;
    psam_document *document = NULL;
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_key_status(app, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"schema_version\":1", "\"held\":1", "\"rotation\":\"none\"", "\"source\":\"file:");
    REQUIRE_OK(psam_key_rotate(app, "{\"dry_run\":true}", NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"dry_run\":true", "\"grants\":1", "\"makes_key\":true", "\"prepares_only\":false");
    REQUIRE_OK(psam_key_rotate(app, NULL, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"moved\":1", "\"old_key_removed\":true", "\"resumed\":false", "\"prepared_only\":false");
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_key_rotate(app, "{\"now\":true}", NULL, &document, &error), &error);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_key_rotate(app, "{\"to\":\"nowhere\"}", NULL, &document, &error), &error);
    char *file = text("%s/private/another-key", getenv("TMPDIR"));
    char *request = text("{\"to\":\"file:%s\"}", file);
    remove(file);
    REQUIRE_OK(psam_key_rotate(app, request, NULL, &document, &error), &error);
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
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_store_export(old_host, file, NULL, NULL, NULL, &document, &error), &error);
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_store_export(old_host, file, "age1none", "not a real passphrase", NULL, &document, &error), &error);
    REQUIRE_OK(psam_store_export(old_host, file, NULL, "not a real passphrase", NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"grants\":1", "grants.age");
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_store_export(old_host, file, NULL, "not a real passphrase", NULL, &document, &error), &error);
    CHECK_FAILS(PSAM_ERROR_STORE_KEY_WRONG, psam_store_import(new_host, file, NULL, "another passphrase", NULL, &document, &error), &error);
    REQUIRE_OK(psam_store_import(new_host, file, NULL, "not a real passphrase", NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"taken\":1", "\"kept\":0", "\"arrival\":\"came\"", FABRIKAM);
    REQUIRE_OK(psam_store_import(new_host, file, NULL, "not a real passphrase", NULL, &document, &error), &error);
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

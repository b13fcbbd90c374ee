/* The whole way: a consent link, a sign-in with MFA, a grant, tokens, renewal, the end. */
#include "psam_test.h"

#include <time.h>

/* Header and claims of a JWT, or the beginning of it. */
static bool looks_like_token(const char *secret) {
    return secret != NULL && strncmp(secret, "eyJ", 3) == 0 && strchr(secret, '.') != NULL;
}

static void whole_way(void) {
    psam_error *error = NULL;
    psam_app *app = new_app();
    REQUIRE(app != NULL);

    psam_token *token = NULL;
    CHECK_FAILS(PSAM_ERROR_CONSENT_REQUIRED, psam_token_get(app, "fabrikam.com", NULL, "graph", NULL, &token, &error), &error);
    CHECK(token == NULL);

    int64_t now = time(NULL);
    psam_consent_options options = {.struct_size = sizeof options, .redirect_uri = REDIRECT, .purpose = "billing", .valid_for_seconds = 600};
    psam_consent_link *link = NULL;
    REQUIRE_OK(psam_consent_begin(app, "fabrikam.com", "partner-center,graph,arm", &options, &link, &error), &error);
    CHECK_TEXT(psam_consent_link_partner(link), FABRIKAM);
    CHECK_TEXT(psam_consent_link_redirect_uri(link), REDIRECT);
    CHECK(psam_consent_link_expires_on(link) >= now + 600 && psam_consent_link_expires_on(link) < now + 600 + 240);
    CHECK(strstr(psam_consent_link_url(link), "https://") == psam_consent_link_url(link));
    CHECK(strlen(psam_consent_link_state(link)) >= 22 && strstr(psam_consent_link_url(link), psam_consent_link_state(link)) != NULL);
    char *reply = ask("sign-in admin@fabrikam.com %s", psam_consent_link_url(link));
    CHECK(psam_consent_link_free(link) == PSAM_OK);

    psam_consented *consented = NULL;
    REQUIRE_OK(psam_consent_complete(app, reply, 0, NULL, &consented, &error), &error);
    CHECK_TEXT(psam_consented_partner(consented), FABRIKAM);
    CHECK_TEXT(psam_consented_name(consented), "fabrikam.com");
    CHECK_TEXT(psam_consented_user_name(consented), "admin@fabrikam.com");
    CHECK_TEXT(psam_consented_taints(consented), "");
    CHECK(psam_consented_mfa(consented) == PSAM_MFA_YES);
    CHECK(psam_consented_expires_on(consented) > now + 80 * 86400);
    CHECK(psam_consented_audience_count(consented) == 3);
    const char *asked[] = {"partner-center", "graph", "arm"};
    for (size_t i = 0; i < 3; i++) {
        CHECK_TEXT(psam_consented_audience(consented, i), asked[i]);
        CHECK(psam_consented_audience_status(consented, i) == PSAM_OK);
        CHECK(psam_consented_audience_error_json(consented, i) == NULL);
    }
    CHECK(psam_consented_audience(consented, 3) == NULL);
    CHECK(psam_consented_audience_status(consented, 3) == PSAM_ERROR_INVALID_ARGUMENT);
    const char *json = psam_consented_json(consented);
    CHECK(json != NULL && strstr(json, "\"schema_version\":1") && strstr(json, "\"user_name\":\"admin@fabrikam.com\"") && strstr(json, "\"ok\":true"));
    CHECK(psam_consented_free(consented) == PSAM_OK);

    /* A reply is good once. */
    CHECK_FAILS(PSAM_ERROR_CONSENT_STATE_UNKNOWN, psam_consent_complete(app, reply, 0, NULL, &consented, &error), &error);
    free(reply);

    REQUIRE_OK(psam_token_get(app, "fabrikam.com", NULL, "graph", NULL, &token, &error), &error);
    CHECK(looks_like_token(psam_token_secret(token)));
    CHECK(psam_token_secret_length(token) == strlen(psam_token_secret(token)));
    CHECK_TEXT(psam_token_partner(token), FABRIKAM);
    CHECK_TEXT(psam_token_tenant(token), FABRIKAM);
    CHECK_TEXT(psam_token_audience(token), "graph");
    CHECK(strlen(psam_token_scopes(token)) > 0);
    CHECK(psam_token_mfa(token) == PSAM_MFA_YES);
    CHECK(psam_token_expires_on(token) > now && psam_token_refresh_after(token) < psam_token_expires_on(token));
    CHECK(psam_token_warning_count(token) == 0 && psam_token_warning_json(token, 0) == NULL);
    CHECK(strstr(psam_token_json(token), "\"audience\":\"graph\"") != NULL);
    CHECK(strstr(psam_token_json(token), psam_token_secret(token)) == NULL);

    /* For a customer; the only partner need not be named. */
    psam_token *customer = NULL;
    REQUIRE_OK(psam_token_get(app, NULL, "contoso.com", "graph", NULL, &customer, &error), &error);
    CHECK_TEXT(psam_token_partner(customer), FABRIKAM);
    CHECK_TEXT(psam_token_tenant(customer), CONTOSO);
    CHECK(!same(psam_token_secret(customer), psam_token_secret(token)));
    CHECK(psam_token_free(customer) == PSAM_OK);

    /* The same again is the same; fresh is another. */
    psam_token *again = NULL, *fresh = NULL;
    REQUIRE_OK(psam_token_get(app, FABRIKAM, NULL, "https://graph.microsoft.com/.default", NULL, &again, &error), &error);
    CHECK_TEXT(psam_token_secret(again), psam_token_secret(token));
    psam_token_options anew = {.struct_size = sizeof anew, .fresh = 1};
    REQUIRE_OK(psam_token_get(app, "fabrikam.com", NULL, "graph", &anew, &fresh, &error), &error);
    CHECK(!same(psam_token_secret(fresh), psam_token_secret(token)));
    CHECK(psam_token_free(again) == PSAM_OK && psam_token_free(fresh) == PSAM_OK);

    psam_grants *grants = NULL;
    REQUIRE_OK(psam_grants_list(app, NULL, &grants, &error), &error);
    CHECK(psam_grants_count(grants) == 1);
    CHECK_TEXT(psam_grants_partner(grants, 0), FABRIKAM);
    CHECK_TEXT(psam_grants_name(grants, 0), "fabrikam.com");
    CHECK_TEXT(psam_grants_user_name(grants, 0), "admin@fabrikam.com");
    CHECK_TEXT(psam_grants_audiences(grants, 0), "partner-center,graph,arm");
    CHECK_TEXT(psam_grants_purpose(grants, 0), "billing");
    CHECK_TEXT(psam_grants_taints(grants, 0), "");
    CHECK_TEXT(psam_grants_condition(grants, 0), "active");
    CHECK(psam_grants_mfa(grants, 0) == PSAM_MFA_YES);
    uint64_t generation = psam_grants_generation(grants, 0);
    CHECK(generation >= 1);
    CHECK(psam_grants_consented_on(grants, 0) >= now && psam_grants_last_redeemed_on(grants, 0) >= psam_grants_consented_on(grants, 0));
    CHECK(psam_grants_renew_after(grants, 0) > now && psam_grants_expires_on(grants, 0) > psam_grants_renew_after(grants, 0));
    CHECK(strstr(psam_grants_item_json(grants, 0), "\"condition\":\"active\"") != NULL);
    CHECK(strstr(psam_grants_json(grants), psam_grants_item_json(grants, 0)) != NULL);
    CHECK(psam_grants_item_json(grants, 1) == NULL && psam_grants_partner(grants, SIZE_MAX) == NULL && psam_grants_expires_on(grants, 1) == 0);
    CHECK(psam_grants_free(grants) == PSAM_OK);

    int64_t expires_on = 0;
    REQUIRE_OK(psam_grant_renew(app, "fabrikam.com", NULL, &expires_on, &error), &error);
    CHECK(expires_on > now + 80 * 86400);
    REQUIRE_OK(psam_grants_list(app, NULL, &grants, &error), &error);
    CHECK(psam_grants_generation(grants, 0) > generation);
    CHECK(psam_grants_expires_on(grants, 0) == expires_on);
    CHECK(psam_grants_free(grants) == PSAM_OK);

    int32_t removed = -1;
    REQUIRE_OK(psam_grant_revoke(app, "fabrikam.com", NULL, &removed, &error), &error);
    CHECK(removed == 1);
    REQUIRE_OK(psam_grant_revoke(app, "fabrikam.com", NULL, &removed, &error), &error);
    CHECK(removed == 0);
    CHECK_FAILS(PSAM_ERROR_CONSENT_REQUIRED, psam_grant_renew(app, "fabrikam.com", NULL, NULL, &error), &error);
    psam_token *none = NULL;
    CHECK_FAILS(PSAM_ERROR_CONSENT_REQUIRED, psam_token_get(app, "fabrikam.com", NULL, "graph", NULL, &none, &error), &error);
    psam_token_options why = {.struct_size = sizeof why, .purpose = "no\npurpose"};
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_token_get(app, "fabrikam.com", NULL, "graph", &why, &none, &error), &error);
    REQUIRE_OK(psam_grants_list(app, NULL, &grants, &error), &error);
    CHECK(psam_grants_count(grants) == 0 && psam_grants_partner(grants, 0) == NULL);
    CHECK(psam_grants_free(grants) == PSAM_OK);

    /* What came from an app outlives it. */
    CHECK(psam_app_free(app) == PSAM_OK);
    CHECK(looks_like_token(psam_token_secret(token)));
    CHECK(psam_token_free(token) == PSAM_OK);
}

static void another_process(void) {
    psam_error *error = NULL;
    char *config = new_config();
    psam_app *first = NULL, *second = NULL;
    REQUIRE_OK(psam_app_open(config, &first, &error), &error);
    REQUIRE(consent(first));
    CHECK(psam_app_free(first) == PSAM_OK);
    tell("forget-requests");
    REQUIRE_OK(psam_app_open(config, &second, &error), &error);
    psam_token *token = NULL;
    REQUIRE_OK(psam_token_get(second, NULL, NULL, "graph", NULL, &token, &error), &error);
    CHECK(looks_like_token(psam_token_secret(token)));
    psam_token_free(token);
    char *requests = ask("requests");
    CHECK_TEXT(requests, "0");
    free(requests);
    psam_app_free(second);
    free(config);
}

static void pasted_reply(void) {
    psam_error *error = NULL;
    psam_app *app = new_app();
    REQUIRE(app != NULL);
    psam_consent_options options = {.struct_size = sizeof options, .flags = PSAM_CONSENT_REPLY_IN_QUERY, .login_hint = "admin@fabrikam.com"};
    psam_consent_link *link = NULL;
    REQUIRE_OK(psam_consent_begin(app, FABRIKAM, "graph", &options, &link, &error), &error);
    char *address = ask("paste admin@fabrikam.com %s", psam_consent_link_url(link));
    psam_consent_link_free(link);
    CHECK(strncmp(address, REDIRECT "?", strlen(REDIRECT) + 1) == 0);
    psam_consented *consented = NULL;
    REQUIRE_OK(psam_consent_complete(app, address, 0, NULL, &consented, &error), &error);
    CHECK(psam_consented_audience_count(consented) == 1);
    psam_consented_free(consented);
    psam_app_free(app);
    free(address);
}

static void without_mfa(void) {
    psam_error *error = NULL;
    psam_app *app = new_app();
    REQUIRE(app != NULL);
    tell("scenario {\"mfa\":false}");
    psam_consented *consented = NULL;
    for (uint32_t flags = 0; flags <= PSAM_CONSENT_ALLOW_WITHOUT_MFA; flags += PSAM_CONSENT_ALLOW_WITHOUT_MFA) {
        psam_consent_link *link = NULL;
        REQUIRE_OK(psam_consent_begin(app, "fabrikam.com", NULL, NULL, &link, &error), &error);
        char *reply = ask("sign-in admin@fabrikam.com %s", psam_consent_link_url(link));
        psam_consent_link_free(link);
        if (flags == 0) {
            CHECK_FAILS(PSAM_ERROR_MFA_NOT_PROVED, psam_consent_complete(app, reply, flags, NULL, &consented, &error), &error);
        } else if (CHECK_OK(psam_consent_complete(app, reply, flags, NULL, &consented, &error), &error)) {
            CHECK(psam_consented_mfa(consented) == PSAM_MFA_NO);
            CHECK_TEXT(psam_consented_taints(consented), "without_mfa");
        }
        free(reply);
    }
    psam_consented_free(consented);
    psam_app_free(app);
}

static void other_audiences_refused(void) {
    psam_error *error = NULL;
    psam_app *app = new_app();
    REQUIRE(app != NULL);
    tell("scenario {\"error_for\":{\"audience\":\"arm\",\"error\":\"invalid_grant\",\"error_codes\":[65001],\"description\":\"not consented\"}}");
    psam_consent_link *link = NULL;
    REQUIRE_OK(psam_consent_begin(app, "fabrikam.com", NULL, NULL, &link, &error), &error);
    char *reply = ask("sign-in admin@fabrikam.com %s", psam_consent_link_url(link));
    psam_consent_link_free(link);
    psam_consented *consented = NULL;
    REQUIRE_OK(psam_consent_complete(app, reply, 0, NULL, &consented, &error), &error);
    free(reply);
    CHECK(psam_consented_audience_status(consented, 0) == PSAM_OK && psam_consented_audience_status(consented, 1) == PSAM_OK);
    CHECK_TEXT(psam_consented_audience(consented, 2), "arm");
    CHECK(psam_consented_audience_status(consented, 2) == PSAM_ERROR_AUDIENCE_NOT_CONSENTED);
    CHECK(strstr(psam_consented_audience_error_json(consented, 2), "65001") != NULL);
    CHECK(strstr(psam_consented_json(consented), psam_consented_audience_error_json(consented, 2)) != NULL);
    psam_consented_free(consented);
    psam_app_free(app);
}

static void import(void) {
    psam_error *error = NULL;
    psam_app *app = new_app();
    REQUIRE(app != NULL);
    psam_consented *consented = NULL;
    CHECK(psam_grant_import(app, "northwind.example", "not-a-real-refresh-token", NULL, NULL, 0, NULL, &consented, &error) != PSAM_OK);
    CHECK(consented == NULL && error != NULL && strstr(psam_error_json(error), "not-a-real-refresh-token") == NULL);
    psam_error_free(error);
    error = NULL;

    char *grant = ask("seed admin@northwind.example");
    CHECK_FAILS(PSAM_ERROR_NOT_SUPPORTED, psam_grant_import(app, "northwind.example", grant, NULL, NULL, 0x80000000, NULL, &consented, &error), &error);
    tell("scenario {\"consent\":{\"tenant\":\"northwind.example\",\"granted\":true}}");
    bool good = CHECK_OK(psam_grant_import(app, "northwind.example", grant, "partner-center,graph", "billing", 0, NULL, &consented, &error), &error);
    free(grant);
    REQUIRE(good);
    CHECK_TEXT(psam_consented_partner(consented), NORTHWIND);
    CHECK_TEXT(psam_consented_taints(consented), "imported");
    CHECK(psam_consented_mfa(consented) == PSAM_MFA_YES);
    psam_consented_free(consented);
    psam_token *token = NULL;
    REQUIRE_OK(psam_token_get(app, NULL, NULL, "graph", NULL, &token, &error), &error);
    CHECK_TEXT(psam_token_partner(token), NORTHWIND);
    psam_token_free(token);
    psam_grants *grants = NULL;
    REQUIRE_OK(psam_grants_list(app, NULL, &grants, &error), &error);
    CHECK_TEXT(psam_grants_purpose(grants, 0), "billing");
    psam_grants_free(grants);
    psam_app_free(app);
}

/* For the example: a grant in the store that the environment names. */
int prepare(void) {
    psam_app *app = NULL;
    psam_consented *consented = NULL;
    psam_error *error = NULL;
    tell("scenario {\"consent\":{\"tenant\":\"fabrikam.com\",\"granted\":true}}");
    char *grant = ask("seed admin@fabrikam.com");
    bool good = CHECK_OK(psam_app_open(NULL, &app, &error), &error) &&
                CHECK_OK(psam_grant_import(app, "fabrikam.com", grant, "partner-center,graph", "billing", 0, NULL, &consented, &error), &error);
    free(grant);
    psam_consented_free(consented);
    psam_app_free(app);
    return good ? 0 : 1;
}

static void challenged(void) {
    psam_app *app = new_app();
    psam_error *error = NULL;
    psam_token *before = NULL, *after = NULL;
    REQUIRE(app != NULL && consent(app));
    REQUIRE_OK(psam_token_get(app, NULL, NULL, "graph", NULL, &before, &error), &error);
    const char *asked[] = {"{\"access_token\":{\"nbf\":{\"essential\":true,\"value\":\"1\"}}}",
                           "Basic realm=\"x\", bearer CLAIMS = eyJhY2Nlc3NfdG9rZW4iOnt9fQ, error=\"insufficient_claims\""};
    for (size_t i = 0; i < 2; i++) {
        psam_token_options options = {.struct_size = sizeof options, .claims = asked[i]};
        REQUIRE_OK(psam_token_get(app, NULL, NULL, "graph", &options, &after, &error), &error);
        CHECK(!same(psam_token_secret(after), psam_token_secret(before)));
        psam_token_free(after);
    }
    psam_token_options options = {.struct_size = sizeof options, .claims = "Bearer realm=\"x\""};
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_token_get(app, NULL, NULL, "graph", &options, &after, &error), &error);

    /* Where a person is needed, the error has what was asked for, and says who acts and what is run. */
    options.claims = asked[0];
    tell("scenario {\"error_for\":{\"audience\":\"graph\",\"error\":\"interaction_required\",\"error_codes\":[50076]}}");
    CHECK(psam_token_get(app, "fabrikam.com", NULL, "graph", &options, &after, &error) == PSAM_ERROR_MFA_REQUIRED);
    CHECK_TEXT(psam_error_claims(error), asked[0]);
    CHECK_TEXT(psam_error_actor(error), "service_account_owner");
    CHECK(strstr(psam_error_hint(error), "the owner of the partner's service account: open the consent link") == psam_error_hint(error));
    CHECK(strstr(psam_error_hint(error), "`partnersam consent fabrikam.com --for partner-center,graph,arm --claims '{") != NULL);
    CHECK(strstr(psam_error_json(error), "\"consent_link\":\"https://") != NULL);
    psam_error_free(error);
    psam_token_free(before);
    psam_app_free(app);
}

const test_case flow_cases[] = {{"flow: one consent with MFA, tokens ever after, renewal and the end", whole_way},
                                {"flow: an app that is opened anew has its tokens without a request", another_process},
                                {"flow: a reply can be pasted", pasted_reply},
                                {"flow: without MFA nothing is stored unless the caller insists", without_mfa},
                                {"flow: an audience that does not come says why", other_audiences_refused},
                                {"flow: what a service challenges for is asked for, and a person called where need be", challenged},
                                {"flow: a refresh token from elsewhere is proved, then a grant", import},
                                {NULL, NULL}};

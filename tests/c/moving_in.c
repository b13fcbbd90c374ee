/* Moving in from C: the same story as in Python and on the command line, and the same documents. */
#include "psam_test.h"

#define OTHER_APP "eeeeeeee-0000-4000-8000-00000000000f"

static char *settings(const char *client_id, const char *token) {
    return text("APP_ID=%s\nMFA_METHOD=manually\nREFRESH_TOKEN=\"%s\"\nADMIN_PASSWORD=not-a-real-password\n", client_id, token);
}

static void write_file(const char *path, const char *content) {
    FILE *file = fopen(path, "w");
    CHECK(file != NULL);
    if (!file) return;
    fputs(content, file);
    fclose(file);
}

static bool has_content(const char *path, const char *content) {
    char found[8192] = {0};
    FILE *file = fopen(path, "r");
    if (!file) return false;
    size_t length = fread(found, 1, sizeof found - 1, file);
    fclose(file);
    return length == strlen(content) && strcmp(found, content) == 0;
}

static void a_grant_moves_in(void) {
    psam_app *app = new_app();
    psam_error *error = NULL;
    psam_document *document = NULL;
    psam_grants *grants = NULL;
    REQUIRE(app != NULL && consent(app));
    CHECK_OK(psam_grant_revoke(app, "fabrikam.com", NULL, NULL, &error), &error);
    char *client_id = ask("client-id"), *token = ask("seed admin@fabrikam.com");
    char *path = text("%s/old.env", getenv("TMPDIR")), *field = text("%s, field REFRESH_TOKEN", path), *password = text("%s, field ADMIN_PASSWORD", path);
    char *content = settings(client_id, token), *blanked = settings(client_id, ""), *foreign = settings(OTHER_APP, token);
    char *request = text("{\"partner\":\"fabrikam.com\",\"source\":\"%s\"}", path);
    char *purge = text("{\"partner\":\"fabrikam.com\",\"source\":\"%s\",\"audiences\":[\"graph\"],\"purge\":true}", path);
    write_file(path, content);

    CHECK_OK(psam_grant_import_plan(app, request, NULL, 0, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"is_empty\":false", field, "\"kind\":\"password\"", password);
    CHECK_OK(psam_grants_list(app, NULL, &grants, &error), &error);
    CHECK(psam_grants_count(grants) == 0);
    CHECK(psam_grants_free(grants) == PSAM_OK);

    /* What is in memory moves in as well, and has nowhere to be purged from. */
    const uint8_t *given = (const uint8_t *)content;
    const char *nowhere = "{\"partner\":\"fabrikam.com\",\"purge\":true}", *kept = "{\"partner\":\"fabrikam.com\",\"audiences\":[\"graph\"]}";
    CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_grant_import_from(app, nowhere, given, strlen(content), NULL, &document, &error), &error);
    CHECK_OK(psam_grant_import_from(app, kept, given, strlen(content), NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"mfa\":\"yes\"", "\"purged\":null", "\"stored_before\":false");
    CHECK_OK(psam_grants_list(app, NULL, &grants, &error), &error);
    CHECK_TEXT(psam_grants_taints(grants, 0), "imported");
    CHECK(psam_grants_free(grants) == PSAM_OK);
    CHECK(has_content(path, content));

    CHECK_OK(psam_grant_import_from(app, purge, NULL, 0, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"mfa\":\"yes\"", "\"done\":true", "\"words\":\"blanked\"");
    CHECK(has_content(path, blanked));
    CHECK_OK(psam_grant_import_from(app, purge, NULL, 0, NULL, &document, &error), &error);
    CHECK_HOLDS(document, "\"stored_before\":true", "\"done\":true");

    /* What is refused leaves the source as it is. */
    write_file(path, foreign);
    CHECK_FAILS(PSAM_ERROR_GRANT_OF_ANOTHER_APP, psam_grant_import_from(app, purge, NULL, 0, NULL, &document, &error), &error);
    CHECK(has_content(path, foreign));
    tell("scenario {\"revoke\":\"all\"}");
    write_file(path, content);
    CHECK_FAILS(PSAM_ERROR_GRANT_REVOKED, psam_grant_import_from(app, purge, NULL, 0, NULL, &document, &error), &error);
    CHECK(has_content(path, content));
    const char *more[] = {"\"vault_identity\":\"password\"", "\"write_back\":true", "\"refresh_token\":\"x\""};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        char *bad = text("{\"partner\":\"fabrikam.com\",\"source\":\"%s\",%s}", path, more[i]);
        CHECK_FAILS(PSAM_ERROR_INVALID_ARGUMENT, psam_grant_import_from(app, bad, NULL, 0, NULL, &document, &error), &error);
        free(bad);
    }
    remove(path);
    char *all[] = {client_id, token, path, field, password, content, blanked, foreign, request, purge};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    CHECK(psam_app_free(app) == PSAM_OK);
}

const test_case moving_in_cases[] = {{"moving in: a grant moves in and its old place is emptied", a_grant_moves_in}, {NULL, NULL}};

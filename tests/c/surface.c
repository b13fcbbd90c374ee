/* What the library says of itself and of its numbers. */
#include "psam_test.h"

static void version(void) {
    CHECK(psam_abi_version() == PSAM_ABI_VERSION);
    CHECK(psam_version() != NULL && strchr(psam_version(), '.') != NULL);
}

static void statuses(void) {
    CHECK_TEXT(psam_status_id(PSAM_OK), "Ok");
    CHECK_TEXT(psam_status_id(PSAM_ERROR_CONSENT_REQUIRED), "ConsentRequired");
    CHECK_TEXT(psam_status_sentence(PSAM_ERROR_CONSENT_REQUIRED), "there is no usable grant for this partner and audience");
    CHECK(PSAM_ERROR_CONSENT_REQUIRED == 2001 && PSAM_ERROR_PANIC == 9002 && PSAM_ERROR_HANDLE_INVALID == 1006);
    psam_status none[] = {-1, 1, 1000, 2147483647, -2147483647 - 1};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK(psam_status_id(none[i]) == NULL);
        CHECK(psam_status_sentence(none[i]) == NULL);
    }
}

static void configurations(void) {
    psam_app *app = NULL;
    psam_error *error = NULL;
    CHECK_FAILS(PSAM_ERROR_CONFIG_INVALID, psam_app_open("not JSON", &app, &error), &error);
    CHECK_FAILS(PSAM_ERROR_CONFIG_INVALID, psam_app_open("{\"cloud\":\"moon\"}", &app, &error), &error);
    CHECK_FAILS(PSAM_ERROR_CONFIG_INVALID, psam_app_open("{\"password\":\"not-a-real-password\"}", &app, &error), &error);
    CHECK_FAILS(PSAM_ERROR_CONFIG_MISSING, psam_app_open_file("/nowhere/partnersam.toml", &app, &error), &error);
    CHECK(app == NULL);

    char *path = text("%s/partnersam.toml", getenv("TMPDIR"));
    FILE *file = fopen(path, "w");
    REQUIRE(file != NULL);
    fputs("store = \"memory:\"\n", file);
    fclose(file);
    if (CHECK_OK(psam_app_open_file(path, &app, &error), &error)) CHECK(psam_app_free(app) == PSAM_OK);
    remove(path);
    free(path);
}

const test_case surface_cases[] = {{"surface: the library tells its version and ABI", version},
                                   {"surface: every number has a name and a sentence, and no other has", statuses},
                                   {"surface: a configuration is text or a file, and a bad one is refused", configurations},
                                   {NULL, NULL}};

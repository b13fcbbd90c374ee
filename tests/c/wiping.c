/* A token is wiped before its memory is given back. This looks into every block that is freed, so it wants the C library's own free(). */
#define _GNU_SOURCE
#include "psam_test.h"

#ifdef PSAM_TEST_WIPING
#include <malloc.h>

void __libc_free(void *block);

/* Looked for in blocks that are freed; part of the secret, so that it is found wherever it was copied to. */
static char marker[64];
/* volatile: compilers know free() as a function that reads nothing of this. */
static volatile bool looking;
static volatile int found;

void free(void *block) {
    if (looking && block && memmem(block, malloc_usable_size(block), marker, strlen(marker))) found++;
    __libc_free(block);
}

static void wiped(void) {
    psam_error *error = NULL;
    psam_app *app = new_app();
    REQUIRE(app != NULL && consent(app));
    psam_token *token = NULL;
    REQUIRE_OK(psam_token_get(app, NULL, NULL, "graph", NULL, &token, &error), &error);
    const char *secret = psam_token_secret(token);
    size_t length = psam_token_secret_length(token);
    REQUIRE(length > 200);
    memcpy(marker, secret + length / 2, sizeof marker - 1);

    /* The search finds what is not wiped. */
    char *volatile copy = strdup(secret);
    found = 0;
    looking = true;
    free(copy);
    looking = false;
    CHECK(found == 1);

    found = 0;
    looking = true;
    CHECK(psam_token_free(token) == PSAM_OK);
    looking = false;
    CHECK(found == 0);
    psam_app_free(app);
}

const test_case wiping_cases[] = {{"wiping: no freed memory holds the token", wiped}, {NULL, NULL}};
#else
const test_case wiping_cases[] = {{NULL, NULL}};
#endif

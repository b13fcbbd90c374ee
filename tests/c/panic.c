/* A defect is contained: the call returns, with an error that does not repeat the panic's message. Needs a library built with test-hooks. */
#include "psam_test.h"

#ifdef PSAM_TEST_HOOKS
psam_status psam_test_panic(psam_error **error);

static void contained(void) {
    psam_error *error = NULL;
    for (int i = 0; i < 3; i++) {
        CHECK(psam_test_panic(NULL) == PSAM_ERROR_PANIC);
        CHECK(psam_test_panic(&error) == PSAM_ERROR_PANIC);
        CHECK_TEXT(psam_error_id(error), "Panic");
        CHECK_TEXT(psam_error_category(error), "internal");
        CHECK_TEXT(psam_error_operation(error), "test");
        CHECK(strstr(psam_error_json(error), "nobody must see") == NULL);
        /* The place is told, for the report. */
        CHECK_TEXT(psam_error_context_key(error, 0), "panicked_at");
        CHECK(psam_error_context_value(error, 0) && strstr(psam_error_context_value(error, 0), "test_hooks.rs"));
        CHECK(psam_error_free(error) == PSAM_OK);
        error = NULL;
    }
    /* The library goes on. */
    psam_app *app = NULL;
    if (CHECK_OK(psam_app_open("{\"store\":\"memory:\"}", &app, &error), &error)) CHECK(psam_app_free(app) == PSAM_OK);
}

const test_case panic_cases[] = {{"panic: a defect is contained and told without its message", contained}, {NULL, NULL}};
#else
const test_case panic_cases[] = {{NULL, NULL}};
#endif

/* What a code means: the same document as in every other language, for every case of tests/scenarios/explain.golden.json. */
#include "psam_test.h"

/* The driver gives texts as hexadecimal digits, for they may hold line ends. */
static char *from_hex(const char *digits) {
    size_t length = strlen(digits) / 2;
    char *plain = malloc(length + 1);
    for (size_t i = 0; i < length; i++) {
        unsigned byte = 0;
        CHECK(sscanf(digits + 2 * i, "%2x", &byte) == 1);
        plain[i] = (char)byte;
    }
    plain[length] = 0;
    return plain;
}

static void as_everywhere(void) {
    char *count = ask("explain-count");
    int cases = atoi(count);
    free(count);
    CHECK(cases > 200);
    for (int i = 0; i < cases; i++) {
        char *digits = ask("explain-text %d", i), *document = ask("explain-document %d", i);
        char *given = from_hex(digits);
        psam_explanation *explanation = NULL;
        psam_error *error = NULL;
        if (CHECK_OK(psam_explain(given, &explanation, &error), &error)) CHECK_TEXT(psam_explanation_json(explanation), document);
        CHECK(psam_explanation_free(explanation) == PSAM_OK);
        free(given);
        free(digits);
        free(document);
    }
}

static void rows(void) {
    psam_explanation *explanation = NULL;
    psam_error *error = NULL;
    REQUIRE_OK(psam_explain("invalid_grant: AADSTS50076: no. AADSTS1234567: no", &explanation, &error), &error);
    CHECK(psam_explanation_count(explanation) == 2);
    CHECK_TEXT(psam_explanation_code(explanation, 0), "AADSTS50076");
    CHECK_TEXT(psam_explanation_command(explanation, 0), "partnersam consent PARTNER");
    CHECK(strstr(psam_explanation_hint(explanation, 0), "the owner of the partner's service account: run `partnersam consent PARTNER`"));
    CHECK(strstr(psam_explanation_meaning(explanation, 0), "MFA"));
    CHECK_TEXT(psam_explanation_link(explanation, 1), "https://login.microsoftonline.com/error?code=1234567");
    CHECK(psam_explanation_code(explanation, 2) == NULL && psam_explanation_meaning(explanation, 2) == NULL && psam_explanation_hint(explanation, 2) == NULL);
    CHECK(psam_explanation_command(explanation, 2) == NULL && psam_explanation_link(explanation, SIZE_MAX) == NULL);
    CHECK(psam_explanation_free(explanation) == PSAM_OK);
    REQUIRE_OK(psam_explain("7654321", &explanation, &error), &error);
    CHECK(psam_explanation_count(explanation) == 1 && psam_explanation_command(explanation, 0) == NULL);
    CHECK(psam_explanation_free(explanation) == PSAM_OK);
}

const test_case explain_cases[] = {{"explain: every code is explained as in every language", as_everywhere},
                                   {"explain: rows are read one field at a time", rows},
                                   {NULL, NULL}};

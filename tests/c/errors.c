/* Errors lose nothing: the document that is put together from the getters is the document, byte by byte. */
#define _GNU_SOURCE
#include "psam_test.h"

#include <inttypes.h>

static void put_text(FILE *out, const char *value) {
    if (value == NULL) {
        fputs("null", out);
        return;
    }
    fputc('"', out);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\') fputc('\\', out);
        fputc(*value, out);
    }
    fputc('"', out);
}

static void put_field(FILE *out, const char *name, const char *value) {
    fprintf(out, ",\"%s\":", name);
    put_text(out, value);
}

/* The error as JSON, made of nothing but what the getters say. */
static char *document_of(const psam_error *error) {
    char *document = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&document, &length);
    fprintf(out, "{\"schema_version\":%" PRIu32 ",\"number\":%" PRId32, psam_error_schema_version(error), psam_error_status(error));
    put_field(out, "id", psam_error_id(error));
    put_field(out, "category", psam_error_category(error));
    put_field(out, "retry", psam_error_retry(error));
    put_field(out, "actor", psam_error_actor(error));
    put_field(out, "operation", psam_error_operation(error));
    put_field(out, "message", psam_error_message(error));
    put_field(out, "hint", psam_error_hint(error));
    put_field(out, "help", psam_error_help(error));
    int64_t retry_after = psam_error_retry_after(error);
    if (retry_after < 0) {
        fputs(",\"retry_after\":null", out);
    } else {
        fprintf(out, ",\"retry_after\":%" PRId64, retry_after);
    }
    if (psam_error_http_status(error) == 0) {
        fputs(",\"http_status\":null", out);
    } else {
        fprintf(out, ",\"http_status\":%d", psam_error_http_status(error));
    }
    put_field(out, "service_code", psam_error_service_code(error));
    put_field(out, "entra_error", psam_error_entra_error(error));
    fputs(",\"entra_codes\":[", out);
    for (size_t i = 0; i < psam_error_entra_code_count(error); i++) fprintf(out, "%s%" PRIu32, i ? "," : "", psam_error_entra_code(error, i));
    fputc(']', out);
    put_field(out, "suberror", psam_error_suberror(error));
    put_field(out, "trace_id", psam_error_trace_id(error));
    put_field(out, "correlation_id", psam_error_correlation_id(error));
    put_field(out, "timestamp", psam_error_timestamp(error));
    put_field(out, "claims", psam_error_claims(error));
    fputs(",\"context\":{", out);
    for (size_t i = 0; i < psam_error_context_count(error); i++) {
        if (i) fputc(',', out);
        put_text(out, psam_error_context_key(error, i));
        fputc(':', out);
        put_text(out, psam_error_context_value(error, i));
    }
    fputs("},\"causes\":[", out);
    for (size_t i = 0; i < psam_error_cause_count(error); i++) {
        if (i) fputc(',', out);
        put_text(out, psam_error_cause(error, i));
    }
    fputs("]}", out);
    fclose(out);
    return document;
}

static void is_lossless(const psam_error *error) {
    REQUIRE(error != NULL);
    char *document = document_of(error);
    CHECK_TEXT(document, psam_error_json(error));
    free(document);
    /* Past the end there is nothing. */
    CHECK(psam_error_entra_code(error, psam_error_entra_code_count(error)) == 0);
    CHECK(psam_error_context_key(error, psam_error_context_count(error)) == NULL);
    CHECK(psam_error_context_value(error, SIZE_MAX) == NULL);
    CHECK(psam_error_cause(error, psam_error_cause_count(error)) == NULL);
    CHECK_TEXT(psam_error_id(error), psam_status_id(psam_error_status(error)));
}

static void of_the_caller(void) {
    psam_app *app = NULL;
    psam_error *error = NULL;
    CHECK(psam_app_open("{\"wrong \\\" \\\\ \\u00e9\\u4e2d key\":1}", &app, &error) == PSAM_ERROR_CONFIG_INVALID);
    is_lossless(error);
    CHECK(psam_error_message(error) != NULL && strstr(psam_error_message(error), "wrong \" \\ \xc3\xa9\xe4\xb8\xad key") != NULL);
    CHECK_TEXT(psam_error_operation(error), "open");
    CHECK_TEXT(psam_error_category(error), "caller");
    psam_error_free(error);
    error = NULL;
    CHECK(psam_app_open_file("/nowhere/partnersam.toml", &app, &error) == PSAM_ERROR_CONFIG_MISSING);
    is_lossless(error);
    CHECK(psam_error_cause_count(error) == 1 && psam_error_context_count(error) == 1);
    CHECK_TEXT(psam_error_context_key(error, 0), "file");
    psam_error_free(error);
}

static void of_the_service(void) {
    psam_error *error = NULL;
    psam_token *token = NULL;
    psam_app *app = new_app();
    REQUIRE(app != NULL && consent(app));
    tell("scenario {\"error_for\":{\"audience\":\"exchange\",\"error\":\"interaction_required\",\"error_codes\":[50076,16000],\"suberror\":\"basic_action\","
         "\"claims\":\"{\\\"access_token\\\":{\\\"acrs\\\":{\\\"essential\\\":true,\\\"value\\\":\\\"c1\\\"}}}\",\"description\":\"a \\\"quoted\\\" word\"}}");
    CHECK(psam_token_get(app, "fabrikam.com", "contoso.com", "exchange", NULL, &token, &error) != PSAM_OK);
    is_lossless(error);
    CHECK_TEXT(psam_error_category(error), "identity");
    CHECK_TEXT(psam_error_retry(error), "user_action");
    CHECK_TEXT(psam_error_entra_error(error), "interaction_required");
    CHECK(psam_error_entra_code_count(error) == 2 && psam_error_entra_code(error, 0) == 50076);
    CHECK_TEXT(psam_error_suberror(error), "basic_action");
    CHECK(psam_error_claims(error) != NULL && strstr(psam_error_claims(error), "\"acrs\"") != NULL);
    CHECK(psam_error_trace_id(error) != NULL && psam_error_correlation_id(error) != NULL && psam_error_timestamp(error) != NULL);
    CHECK(psam_error_http_status(error) == 400);
    CHECK_TEXT(psam_error_operation(error), "token");
    psam_error_free(error);
    error = NULL;

    tell("scenario {\"fail\":{\"path\":\"token\",\"times\":20,\"status\":429,\"headers\":{\"Retry-After\":\"77\"}}}");
    CHECK(psam_token_get(app, "fabrikam.com", NULL, "teams", NULL, &token, &error) == PSAM_ERROR_RATE_LIMITED);
    is_lossless(error);
    CHECK(psam_error_retry_after(error) > 0 && psam_error_retry_after(error) <= 77);
    CHECK(psam_error_http_status(error) == 429);
    psam_error_free(error);
    CHECK(token == NULL);
    psam_app_free(app);
}

const test_case error_cases[] = {{"errors: of the caller's making, nothing is lost", of_the_caller},
                                 {"errors: of the service's making, nothing is lost", of_the_service},
                                 {NULL, NULL}};

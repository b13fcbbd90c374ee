/* Cases and checks, the way to the driver, and a world to work in. */
#define _GNU_SOURCE
#include "psam_test.h"

#include <pthread.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
int failures;

void check(bool good, const char *what, const char *file, int line) {
    if (good) return;
    pthread_mutex_lock(&lock);
    failures++;
    fprintf(stderr, "%s:%d: %s\n", file, line, what);
    pthread_mutex_unlock(&lock);
}

bool went_well(psam_status status, psam_error **error, const char *what, const char *file, int line) {
    if (status == PSAM_OK) {
        check(*error == NULL, "an error was given although all went well", file, line);
        return true;
    }
    char *said = text("%s: %d %s", what, status, *error ? psam_error_json(*error) : psam_status_sentence(status));
    check(false, said, file, line);
    free(said);
    psam_error_free(*error);
    *error = NULL;
    return false;
}

void failed_with(psam_status expected, psam_status found, psam_error **error, const char *what, const char *file, int line) {
    if (found != expected || *error == NULL || psam_error_status(*error) != expected) {
        char *said = text("%s: %d instead of %d: %s", what, found, expected, *error ? psam_error_json(*error) : "no error");
        check(false, said, file, line);
        free(said);
    }
    psam_error_free(*error);
    *error = NULL;
}

bool same(const char *left, const char *right) {
    return left == right || (left && right && strcmp(left, right) == 0);
}

void check_text(const char *found, const char *expected, const char *what, const char *file, int line) {
    if (same(found, expected)) return;
    char *said = text("%s is %s instead of %s", what, found ? found : "NULL", expected ? expected : "NULL");
    check(false, said, file, line);
    free(said);
}

static char *text_of(const char *format, va_list arguments) {
    char *made = NULL;
    if (vasprintf(&made, format, arguments) < 0) abort();
    return made;
}

char *text(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *made = text_of(format, arguments);
    va_end(arguments);
    return made;
}

static char *answer_to(const char *question) {
    printf("?%s\n", question);
    fflush(stdout);
    char *line = NULL;
    size_t room = 0;
    ssize_t length = getline(&line, &room, stdin);
    if (length < 0) {
        fprintf(stderr, "the driver is gone\n");
        exit(2);
    }
    if (length > 0 && line[length - 1] == '\n') line[length - 1] = '\0';
    return line;
}

char *ask(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *question = text_of(format, arguments);
    va_end(arguments);
    char *answer = answer_to(question);
    free(question);
    return answer;
}

void tell(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *question = text_of(format, arguments);
    va_end(arguments);
    char *answer = answer_to(question);
    CHECK_TEXT(answer, "ok");
    free(answer);
    free(question);
}

char *new_config(void) {
    static int count;
    const char *work = getenv("TMPDIR");
    char *folder = text("%s/store-%d-%d", work, (int)getpid(), count++);
    char *key = text("%s/key", folder);
    CHECK(mkdir(folder, 0700) == 0);
    /* The form of a key file; 43 characters of base64 that only this store knows. */
    FILE *file = fopen(key, "wx");
    CHECK(file != NULL && fprintf(file, "partnersam-key-1:%s\n", "YS1rZXktb2YtYS10ZXN0LWFuZC1ub3QtYS1yZWFsLTE") > 0);
    if (file) fclose(file);
    CHECK(chmod(key, 0600) == 0);
    char *config = text("{\"store\":\"sqlite:%s/grants.db\",\"key\":\"file:%s\",\"redirect_uri\":\"%s\"}", folder, key, REDIRECT);
    free(key);
    free(folder);
    return config;
}

psam_app *new_app(void) {
    char *config = new_config();
    psam_app *app = NULL;
    psam_error *error = NULL;
    CHECK_OK(psam_app_open(config, &app, &error), &error);
    free(config);
    return app;
}

bool consent(psam_app *app) {
    psam_error *error = NULL;
    psam_consent_link *link = NULL;
    if (!CHECK_OK(psam_consent_begin(app, "fabrikam.com", NULL, NULL, &link, &error), &error)) return false;
    char *reply = ask("sign-in admin@fabrikam.com %s", psam_consent_link_url(link));
    psam_consent_link_free(link);
    psam_consented *consented = NULL;
    bool good = CHECK_OK(psam_consent_complete(app, reply, 0, NULL, &consented, &error), &error);
    free(reply);
    psam_consented_free(consented);
    return good;
}

bool holds(psam_document *document, const char *const *parts) {
    const char *json = psam_document_json(document);
    bool good = json != NULL;
    for (; good && *parts; parts++) {
        good = strstr(json, *parts) != NULL;
        if (!good) fprintf(stderr, "  no %s in %s\n", *parts, json);
    }
    CHECK(psam_document_free(document) == PSAM_OK);
    return good;
}

/* What the test's files share: cases and checks, the way to the driver, and a world to work in. */
#ifndef PSAM_TEST_H
#define PSAM_TEST_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partnersam.h"

typedef struct {
    const char *name;
    void (*run)(void);
} test_case;

/* One list for each file, ended by a case without a name. */
extern const test_case surface_cases[], argument_cases[], handle_cases[], flow_cases[], error_cases[], cancel_cases[], fork_cases[], thread_cases[],
    panic_cases[], wiping_cases[], explain_cases[], credential_cases[], document_cases[], moving_in_cases[];

/* Counts a failure and goes on. */
void check(bool good, const char *what, const char *file, int line);
#define CHECK(condition) check((condition), #condition, __FILE__, __LINE__)

/* Ends the case where nothing sensible can follow. */
#define REQUIRE(condition)                                                                                                                                     \
    do {                                                                                                                                                       \
        bool good_ = (condition);                                                                                                                              \
        check(good_, #condition, __FILE__, __LINE__);                                                                                                          \
        if (!good_) return;                                                                                                                                    \
    } while (0)

/* A status that must be PSAM_OK; says what the error said otherwise, and frees it. */
bool went_well(psam_status status, psam_error **error, const char *what, const char *file, int line);
#define CHECK_OK(call, error) went_well((call), (error), #call, __FILE__, __LINE__)
#define REQUIRE_OK(call, error)                                                                                                                                \
    do {                                                                                                                                                       \
        if (!went_well((call), (error), #call, __FILE__, __LINE__)) return;                                                                                    \
    } while (0)

/* A status that must be this one, with an error that says the same; frees it. */
void failed_with(psam_status expected, psam_status found, psam_error **error, const char *what, const char *file, int line);
#define CHECK_FAILS(expected, call, error) failed_with((expected), (call), (error), #call, __FILE__, __LINE__)

bool same(const char *left, const char *right);
#define CHECK_TEXT(left, right) check_text((left), (right), #left, __FILE__, __LINE__)
void check_text(const char *found, const char *expected, const char *what, const char *file, int line);

/* Ends a document, all of these parts must have been in it. */
#define CHECK_HOLDS(document, ...) CHECK(holds((document), (const char *const[]){__VA_ARGS__, NULL}))
bool holds(psam_document *document, const char *const *parts);

/* Asks the driver, who plays the service's side; the answer is the caller's to free. */
char *ask(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same where the answer does not matter. */
void tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* printf into memory; the caller's to free. */
char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A configuration with a new store in a folder of its own; the caller's to free. */
char *new_config(void);

/* An app with a new store, or NULL after a failed check. */
psam_app *new_app(void);

/* Signs in to fabrikam.com as its administrator and completes the consent; true where a grant came of it. */
bool consent(psam_app *app);

#define REDIRECT "https://vendor.example/consent/callback"
#define FABRIKAM "bbbbbbbb-0000-4000-8000-000000000001"
#define NORTHWIND "bbbbbbbb-0000-4000-8000-000000000002"
#define CONTOSO "cccccccc-0000-4000-8000-000000000001"

#endif

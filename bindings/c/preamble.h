/*
 * partnersam: one consent with MFA, access tokens ever after, no password anywhere.
 *
 * Made from bindings/c by `make gen`; do not edit.
 *
 * The rules, the same for every function:
 *
 * Results. A function that can fail returns a psam_status: PSAM_OK (0), or the number of an error. Its results come last, and are written only
 * when it returns PSAM_OK. The place for the psam_error, always the very last argument, is written only when it does not; it may be NULL for
 * callers whom the number is enough. What stood there before is overwritten, not freed.
 *
 * Handles. A psam_app, psam_token, psam_error and so on is a handle: compare it with NULL, pass it back, and read nothing through it. Whoever got
 * a handle owns it and ends it with the psam_..._free() of its type. A handle that is NULL, was freed, or is of another type is recognized:
 * functions return PSAM_ERROR_HANDLE_INVALID, getters NULL, 0 or -1. Freeing NULL does nothing.
 *
 * Texts. Texts are UTF-8 and end with NUL. The library reads texts that it is given only during the call, and keeps no pointer to them. Texts that
 * getters return are owned by the handle that they were read from and live until that is freed; copy what shall live longer. A text that is NULL
 * where one is needed, is not UTF-8, or is longer than 1 MiB is PSAM_ERROR_INVALID_ARGUMENT.
 *
 * Options. A struct of options begins with its size, so that later libraries can have more fields. Fields that are not set are 0 or NULL.
 *
 * Threads. Every function may be called from any thread, on the same handle from several at once; only the handle that a thread frees must not be
 * in use by another one's getters. Functions that may wait say so; they take a psam_cancel, which another thread or a signal handler can trip.
 * No other function may be called from a signal handler.
 *
 * Forks. A child process may go on with the handles that it inherited: an app opens its store and its connections anew when it is first used there.
 * One whose store is in memory cannot, and says PSAM_ERROR_FORKED_HANDLE.
 *
 * Panics. A defect of the library does not take the program with it: the call returns PSAM_ERROR_PANIC.
 *
 * Times are seconds since 1970-01-01T00:00:00Z. Nothing is printed, and no error holds a secret.
 */

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


#ifndef PARTNERSAM_H
#define PARTNERSAM_H

#include <stddef.h>
#include <stdint.h>

/*
 The ABI that this header describes. It grows when a function is added; see psam_abi_version().
 */
#define PSAM_ABI_VERSION 1

/*
 A flag of psam_consent_complete() and psam_grant_import(): store the grant even though MFA was not proved. Partner Center refuses its tokens.
 */
#define PSAM_CONSENT_ALLOW_WITHOUT_MFA 1

/*
 A flag of psam_consent_options: the reply comes in the redirect's query, for pasting it by hand, instead of a form that the browser posts, which
 keeps the code out of addresses and logs.
 */
#define PSAM_CONSENT_REPLY_IN_QUERY 1

/*
 A flag of psam_grant_revoke_with(): end the sign-ins of the account that consented, and with them every refresh token of it, wherever a copy is.
 */
#define PSAM_REVOKE_EVERYWHERE 1

/*
 A flag of psam_grant_revoke_with(): withdraw what the app is consented to at every customer of the partner.
 */
#define PSAM_REVOKE_CUSTOMER_CONSENTS 2

/*
 An app registration with its store, its connections and its cache of tokens. Open it once and use it from any number of threads; owned by the
 caller, who ends it with psam_app_free().
 */
typedef struct psam_app psam_app;

/*
 A way to end a wait. Given to operations that may wait, tripped from elsewhere; good for any number of operations at once, and for good once
 it is tripped. Owned by whoever made it, who ends it with psam_cancel_free().
 */
typedef struct psam_cancel psam_cancel;

/*
 What a check-up found. Owned by the caller, who ends it with psam_checkup_free().
 */
typedef struct psam_checkup psam_checkup;

/*
 A link to send to a partner. Owned by the caller, who ends it with psam_consent_link_free(); the link itself stays good.
 */
typedef struct psam_consent_link psam_consent_link;

/*
 A consent that became a grant. Owned by the caller, who ends it with psam_consented_free(); the grant itself stays.
 */
typedef struct psam_consented psam_consented;

/*
 An answer as one JSON object: what the command `partnersam` prints with --json. Owned by the caller, who ends it with psam_document_free().
 */
typedef struct psam_document psam_document;

/*
 What went wrong, who must act, and what to do next. Never holds a secret. Made by a function that fails, where the caller gave a place for
 it; owned by the caller, who ends it with psam_error_free().
 */
typedef struct psam_error psam_error;

/*
 What the codes in a text mean. Owned by the caller, who ends it with psam_explanation_free().
 */
typedef struct psam_explanation psam_explanation;

/*
 A list of grants as it was when it was asked for. Owned by the caller, who ends it with psam_grants_free().
 */
typedef struct psam_grants psam_grants;

/*
 An access token for one audience in one tenant, and what is known of it. Owned by the caller, who ends it with psam_token_free().
 */
typedef struct psam_token psam_token;

/*
 PSAM_OK, or the number of an error: one of the PSAM_ERROR_ constants. A library that is newer than this header may return others; their
 block tells the family: 1xxx the call or the configuration, 2xxx consent and sign-in, 3xxx Partner Center, 4xxx network and services, 5xxx
 the store, 9xxx a defect.
 */
typedef int32_t psam_status;

/*
 Signs `message` and writes the signature to `signature`, which has room for `*signature_length` bytes (at least 1024), and its length to
 `*signature_length`. `algorithm` is "PS256" (RSASSA-PSS with SHA-256 and a salt of 32 bytes) or "RS256" (RSASSA-PKCS1-v1_5 with SHA-256); the
 message is not hashed yet. Returns 0 when it did, and any other number when it did not. The texts and places are good during the call only.

 It is called on a thread of the library's, perhaps on several at once, and may block. It must return: a longjmp() or a C++ exception that leaves it
 is undefined behaviour. It must not call a function that waits (psam_token_get and its kin) on the same app.
 */
typedef int32_t (*psam_sign)(void *user_data,
                             const char *algorithm,
                             const uint8_t *message,
                             size_t message_length,
                             uint8_t *signature,
                             size_t *signature_length);

/*
 Ends what `user_data` points to. Called once, on any thread, when no function can be called with it any more: after psam_app_free() and the last
 operation that was under way, or before the opening function returns, where that fails. In a forked child it may not be called at all.
 */
typedef void (*psam_free_user_data)(void *user_data);

/*
 Writes an assertion, a signed JWT in its compact form, to `assertion`, which has room for `*assertion_length` bytes (at least 16384), and its length
 without a NUL to `*assertion_length`. Returns 0 when it did, and any other number when it did not. The rules are those of psam_sign.
 */
typedef int32_t (*psam_fetch_assertion)(void *user_data, uint8_t *assertion, size_t *assertion_length);

/*
 What may be asked of a token besides whose and what for. Initialize it with struct_size alone:
 psam_token_options options = {.struct_size = sizeof options};
 */
typedef struct psam_token_options {
    /*
     sizeof(psam_token_options).
     */
    size_t struct_size;
    /*
     What a service challenged the caller to satisfy: the value of its WWW-Authenticate header, several joined by commas, or the claims in it
     as JSON text; NULL for nothing. A new token is fetched then. A challenge is met once: a token that is challenged again has failed.
     */
    const char *claims;
    /*
     Ends the wait when it is tripped; NULL for none.
     */
    const struct psam_cancel *cancel;
    /*
     Not 0: fetch a new token even if a good one is at hand.
     */
    int32_t fresh;
    /*
     Why: a purpose that the configuration declares; NULL for the configuration's own.
     */
    const char *purpose;
    /*
     Not 0: a token of the app alone (client credentials) for its own tenant, without anybody's grant and without MFA; only with the profile "csp".
     */
    int32_t app_only;
} psam_token_options;

/*
 Whether a sign-in used MFA: one of the PSAM_MFA_ constants.
 */
typedef int32_t psam_mfa;

/*
 What may be said of a consent besides whom to ask and what for. Initialize it with struct_size alone:
 psam_consent_options options = {.struct_size = sizeof options};
 */
typedef struct psam_consent_options {
    /*
     sizeof(psam_consent_options).
     */
    size_t struct_size;
    /*
     Where the reply goes; must be registered for the app. NULL for the configuration's own.
     */
    const char *redirect_uri;
    /*
     Why it is asked for; NULL for the configuration's own.
     */
    const char *purpose;
    /*
     The account to propose on the sign-in page; NULL for none.
     */
    const char *login_hint;
    /*
     What the sign-in must satisfy: a WWW-Authenticate header as for psam_token_options, or claims as JSON text, from psam_error_claims() for
     example; NULL for nothing.
     */
    const char *claims;
    /*
     Ends the wait when it is tripped; NULL for none.
     */
    const struct psam_cancel *cancel;
    /*
     Seconds that the link can be used; 0 for an hour.
     */
    uint32_t valid_for_seconds;
    /*
     0 or PSAM_CONSENT_REPLY_IN_QUERY.
     */
    uint32_t flags;
} psam_consent_options;

/*
 Told of each thing that an operation has done, a customer, a step, a partner, in the order in which they end. `done`: how many that makes. `total`: how
 many there are; 0 while that is not known. `item_json`: the thing itself, as it will stand in the operation's document; good during the call only.

 It is called on the thread that called the operation, and within that call. It must return: a longjmp() or a C++ exception that leaves it is undefined
 behaviour. It may trip a psam_cancel; a function that waits returns PSAM_ERROR_NOT_SUPPORTED there.
 */
typedef void (*psam_progress)(void *user_data, size_t done, size_t total, const char *item_json);

/*
 How a check went: one of the PSAM_LEVEL_ constants.
 */
typedef int32_t psam_level;

/*
 It went well.
 */
#define PSAM_OK 0

/*
 An argument has a value that cannot be used.
 */
#define PSAM_ERROR_INVALID_ARGUMENT 1001

/*
 The configuration has a value that cannot be used.
 */
#define PSAM_ERROR_CONFIG_INVALID 1002

/*
 The configuration lacks a value that is needed.
 */
#define PSAM_ERROR_CONFIG_MISSING 1003

/*
 The operation was cancelled before it ended.
 */
#define PSAM_ERROR_CANCELLED 1004

/*
 The operation did not end within its time limit.
 */
#define PSAM_ERROR_DEADLINE_EXCEEDED 1005

/*
 A handle is null, was freed, or is of another type.
 */
#define PSAM_ERROR_HANDLE_INVALID 1006

/*
 This build or this configuration cannot do that.
 */
#define PSAM_ERROR_NOT_SUPPORTED 1007

/*
 Several partners have a grant and none was named.
 */
#define PSAM_ERROR_GRANT_AMBIGUOUS 1008

/*
 The handle was opened before a fork and cannot be used in the child process.
 */
#define PSAM_ERROR_FORKED_HANDLE 1009

/*
 Purposes are declared and the call names none.
 */
#define PSAM_ERROR_PURPOSE_REQUIRED 1010

/*
 No such purpose is declared.
 */
#define PSAM_ERROR_PURPOSE_UNKNOWN 1011

/*
 The purpose does not allow that audience or tenant.
 */
#define PSAM_ERROR_PURPOSE_FORBIDDEN 1012

/*
 The purpose has ended.
 */
#define PSAM_ERROR_PURPOSE_EXPIRED 1013

/*
 The refresh token was given to another app than the configured one.
 */
#define PSAM_ERROR_GRANT_OF_ANOTHER_APP 1014

/*
 The grant is stored, and the old refresh token could not be removed where it came from.
 */
#define PSAM_ERROR_OLD_TOKEN_REMAINS 1015

/*
 There is no usable grant for this partner and audience.
 */
#define PSAM_ERROR_CONSENT_REQUIRED 2001

/*
 The service wants a person to sign in again.
 */
#define PSAM_ERROR_INTERACTION_REQUIRED 2002

/*
 The service wants a sign-in with MFA.
 */
#define PSAM_ERROR_MFA_REQUIRED 2003

/*
 The sign-in was not proved to have used MFA, so nothing was stored.
 */
#define PSAM_ERROR_MFA_NOT_PROVED 2004

/*
 A grant that was proved with MFA is never replaced by one without.
 */
#define PSAM_ERROR_MFA_DOWNGRADE 2005

/*
 The partner's refresh token has expired.
 */
#define PSAM_ERROR_GRANT_EXPIRED 2006

/*
 The partner's refresh token was revoked.
 */
#define PSAM_ERROR_GRANT_REVOKED 2007

/*
 The person who signed in declined the consent.
 */
#define PSAM_ERROR_CONSENT_DECLINED 2008

/*
 An administrator must consent to the app first.
 */
#define PSAM_ERROR_ADMIN_CONSENT_REQUIRED 2009

/*
 The app's credential was refused.
 */
#define PSAM_ERROR_APP_CREDENTIAL_INVALID 2010

/*
 The app's credential has expired.
 */
#define PSAM_ERROR_APP_CREDENTIAL_EXPIRED 2011

/*
 The app is not known in that tenant or is disabled there.
 */
#define PSAM_ERROR_APP_NOT_FOUND 2012

/*
 No tenant has that id or domain.
 */
#define PSAM_ERROR_TENANT_NOT_FOUND 2013

/*
 The sign-in was to another tenant than the invited one.
 */
#define PSAM_ERROR_TENANT_MISMATCH 2014

/*
 The reply belongs to no pending consent, or to one already used.
 */
#define PSAM_ERROR_CONSENT_STATE_UNKNOWN 2015

/*
 The consent link was not used in time.
 */
#define PSAM_ERROR_CONSENT_LINK_EXPIRED 2016

/*
 The id token failed a check, so the sign-in was not accepted.
 */
#define PSAM_ERROR_ID_TOKEN_INVALID 2017

/*
 The reply to the consent link is incomplete or malformed.
 */
#define PSAM_ERROR_AUTHORIZATION_RESPONSE_INVALID 2018

/*
 The audience or scope is not known in that tenant.
 */
#define PSAM_ERROR_AUDIENCE_INVALID 2019

/*
 The grant does not cover this audience in that tenant.
 */
#define PSAM_ERROR_AUDIENCE_NOT_CONSENTED 2020

/*
 A Conditional Access policy blocks this sign-in.
 */
#define PSAM_ERROR_CONDITIONAL_ACCESS_BLOCKED 2021

/*
 The account that consented is disabled, locked or not entitled there.
 */
#define PSAM_ERROR_ACCOUNT_UNUSABLE 2022

/*
 The service refused the request as malformed.
 */
#define PSAM_ERROR_REQUEST_REFUSED 2023

/*
 The app registration does not fit the request.
 */
#define PSAM_ERROR_APP_MISCONFIGURED 2024

/*
 The tenant belongs to another cloud.
 */
#define PSAM_ERROR_CLOUD_MISMATCH 2025

/*
 The device code was not used in time.
 */
#define PSAM_ERROR_DEVICE_CODE_EXPIRED 2026

/*
 Partner Center refuses the token because its sign-in had no MFA.
 */
#define PSAM_ERROR_PARTNER_CENTER_MFA_REQUIRED 3001

/*
 The account lacks the role or the relationship for this Partner Center call.
 */
#define PSAM_ERROR_PARTNER_CENTER_FORBIDDEN 3002

/*
 Partner Center knows no such thing, or there is no relationship to that customer.
 */
#define PSAM_ERROR_PARTNER_CENTER_NOT_FOUND 3003

/*
 Partner Center refused the call.
 */
#define PSAM_ERROR_PARTNER_CENTER_REFUSED 3004

/*
 The service could not be reached.
 */
#define PSAM_ERROR_NETWORK_UNAVAILABLE 4001

/*
 The service did not answer in time.
 */
#define PSAM_ERROR_TIMEOUT 4002

/*
 The secure connection could not be made.
 */
#define PSAM_ERROR_TLS_FAILED 4003

/*
 The service asks to slow down.
 */
#define PSAM_ERROR_RATE_LIMITED 4004

/*
 The service has trouble at the moment.
 */
#define PSAM_ERROR_SERVER_UNAVAILABLE 4005

/*
 The service's answer could not be understood.
 */
#define PSAM_ERROR_RESPONSE_MALFORMED 4006

/*
 The service's answer is larger than allowed.
 */
#define PSAM_ERROR_RESPONSE_TOO_LARGE 4007

/*
 The address is outside the configured cloud, so nothing was sent.
 */
#define PSAM_ERROR_HOST_NOT_ALLOWED 4008

/*
 The service answered with a redirect, which is never followed with credentials.
 */
#define PSAM_ERROR_REDIRECT_REFUSED 4009

/*
 The store cannot be reached or opened.
 */
#define PSAM_ERROR_STORE_UNAVAILABLE 5001

/*
 A record of the store cannot be read as what it should be.
 */
#define PSAM_ERROR_STORE_CORRUPT 5002

/*
 There is no key to open the store with.
 */
#define PSAM_ERROR_STORE_KEY_MISSING 5003

/*
 The key does not open this store.
 */
#define PSAM_ERROR_STORE_KEY_WRONG 5004

/*
 The keyring that holds the store's key is locked.
 */
#define PSAM_ERROR_STORE_KEY_LOCKED 5005

/*
 This account may not read or write the store.
 */
#define PSAM_ERROR_STORE_FORBIDDEN 5006

/*
 A file of the store is a link, is foreign, or can be read by others.
 */
#define PSAM_ERROR_STORE_INSECURE 5007

/*
 The store was written by a newer version of partnersam.
 */
#define PSAM_ERROR_STORE_SCHEMA_NEWER 5008

/*
 The store cannot be written, so nothing was redeemed that could be lost.
 */
#define PSAM_ERROR_STORE_UNWRITABLE 5009

/*
 Another process changed the same grant at the same time.
 */
#define PSAM_ERROR_STORE_CONFLICT 5010

/*
 The audit record cannot be written, so what must be recorded was not done.
 */
#define PSAM_ERROR_AUDIT_UNWRITABLE 5011

/*
 The audit record is not as it was written.
 */
#define PSAM_ERROR_AUDIT_TAMPERED 5012

/*
 The identity that opens the vault lacks its role.
 */
#define PSAM_ERROR_VAULT_ROLE_MISSING 5013

/*
 The vault's access policy does not allow this identity what it does.
 */
#define PSAM_ERROR_VAULT_POLICY_MISSING 5014

/*
 The vault's firewall does not let this machine in.
 */
#define PSAM_ERROR_VAULT_FIREWALL_BLOCKED 5015

/*
 Partnersam has a defect.
 */
#define PSAM_ERROR_INTERNAL 9001

/*
 Partnersam stopped at a defect and contained it.
 */
#define PSAM_ERROR_PANIC 9002

/*
 It cannot be told.
 */
#define PSAM_MFA_UNKNOWN 0

/*
 Proved that it did.
 */
#define PSAM_MFA_YES 1

/*
 Proved that it did not.
 */
#define PSAM_MFA_NO 2

/*
 As it should be.
 */
#define PSAM_LEVEL_PASS 0

/*
 It works, or could not be told; somebody should look.
 */
#define PSAM_LEVEL_WARN 1

/*
 It does not work.
 */
#define PSAM_LEVEL_FAIL 2

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/*
 The ABI of the library that is loaded. Numbers and signatures are added, never changed: a program runs with every library whose
 number is at least the PSAM_ABI_VERSION that the program was compiled with.
 */
uint32_t psam_abi_version(void);

/*
 The version of the library, for example "0.1.0". The text lives as long as the library is loaded.
 */
const char *psam_version(void);

/*
 The name of a status, the same in every language: "ConsentRequired" for PSAM_ERROR_CONSENT_REQUIRED, "Ok" for PSAM_OK; NULL for a number
 that is none. The text lives as long as the library is loaded.
 */
const char *psam_status_id(psam_status status);

/*
 One sentence that says what a status means, for callers that did not ask for a psam_error; NULL for a number that is none. The text lives as
 long as the library is loaded.
 */
const char *psam_status_sentence(psam_status status);

/*
 Ends an error. All texts that were read from it end with it. NULL is no error.
 */
psam_status psam_error_free(struct psam_error *error);

/*
 The whole error as one JSON object, with the same keys in every language. This and every other text of an error is owned by the error and
 lives until psam_error_free(); all getters return NULL, 0 or -1 where the handle is not valid.
 */
const char *psam_error_json(const struct psam_error *error);

/*
 The version of the shape of an error: which fields there are. 1 at present.
 */
uint32_t psam_error_schema_version(const struct psam_error *error);

/*
 The error's number: the same that the failed function returned.
 */
psam_status psam_error_status(const struct psam_error *error);

/*
 The error's name, for example "ConsentRequired".
 */
const char *psam_error_id(const struct psam_error *error);

/*
 Its family: "caller", "identity", "partner_center", "transport", "store" or "internal".
 */
const char *psam_error_category(const struct psam_error *error);

/*
 Whether the same call can succeed later: "never", "after" (a while; see psam_error_retry_after) or "user_action".
 */
const char *psam_error_retry(const struct psam_error *error);

/*
 Who must act: "caller", "service_account_owner", "partner_administrator", "customer_administrator", "app_developer",
 "host_administrator", "wait" or "maintainers".
 */
const char *psam_error_actor(const struct psam_error *error);

/*
 What was being done, for example "token".
 */
const char *psam_error_operation(const struct psam_error *error);

/*
 What happened, in one sentence.
 */
const char *psam_error_message(const struct psam_error *error);

/*
 What to do about it.
 */
const char *psam_error_hint(const struct psam_error *error);

/*
 Where it is explained at length.
 */
const char *psam_error_help(const struct psam_error *error);

/*
 Seconds to wait before trying again; -1 where the service did not say.
 */
int64_t psam_error_retry_after(const struct psam_error *error);

/*
 The HTTP status of the service's answer; 0 where there was none.
 */
uint16_t psam_error_http_status(const struct psam_error *error);

/*
 The service's own code, for example "900421" of Partner Center; NULL where there is none.
 */
const char *psam_error_service_code(const struct psam_error *error);

/*
 The OAuth error that the authorization server named, for example "invalid_grant"; NULL where it was not asked or named none.
 */
const char *psam_error_entra_error(const struct psam_error *error);

/*
 How many AADSTS numbers there are.
 */
size_t psam_error_entra_code_count(const struct psam_error *error);

/*
 An AADSTS number, for example 50076, the most specific at index 0; 0 past the end.
 */
uint32_t psam_error_entra_code(const struct psam_error *error, size_t index);

/*
 The finer class of the authorization server's error, for example "token_expired"; NULL where there is none.
 */
const char *psam_error_suberror(const struct psam_error *error);

/*
 The id of the request at the service, which a support ticket asks for; NULL where there is none.
 */
const char *psam_error_trace_id(const struct psam_error *error);

/*
 The id that ties several requests together; NULL where there is none.
 */
const char *psam_error_correlation_id(const struct psam_error *error);

/*
 When the service answered, as it wrote it; NULL where there is none.
 */
const char *psam_error_timestamp(const struct psam_error *error);

/*
 Claims that the next sign-in must satisfy, as JSON text; NULL where there are none.
 */
const char *psam_error_claims(const struct psam_error *error);

/*
 How many facts there are around the error.
 */
size_t psam_error_context_count(const struct psam_error *error);

/*
 The name of a fact, for example "partner"; sorted; NULL past the end.
 */
const char *psam_error_context_key(const struct psam_error *error, size_t index);

/*
 The fact itself, for example "fabrikam.com"; NULL past the end.
 */
const char *psam_error_context_value(const struct psam_error *error, size_t index);

/*
 How many underlying causes there are.
 */
size_t psam_error_cause_count(const struct psam_error *error);

/*
 An underlying cause, the outermost at index 0; NULL past the end.
 */
const char *psam_error_cause(const struct psam_error *error, size_t index);

/*
 Opens an app. Nothing is sent, and the store and its key are opened when they are first needed.

 config_json: one JSON object with the keys of the configuration file (client_id, tenant, cloud, profile, client_secret_file, store, key, ...) and,
 here only, client_secret. PARTNERSAM_ variables come before it, AZURE_ variables after it. NULL: the environment and the user's own
 configuration file alone. The text is not kept.

 Errors: PSAM_ERROR_CONFIG_INVALID, PSAM_ERROR_CONFIG_MISSING.
 */
psam_status psam_app_open(const char *config_json,
                          struct psam_app **out,
                          struct psam_error **error);

/*
 Opens the app that a TOML configuration file describes; `partnersam init` writes one. Relative paths in it are relative to its folder.

 Errors: PSAM_ERROR_CONFIG_INVALID, PSAM_ERROR_CONFIG_MISSING.
 */
psam_status psam_app_open_file(const char *path,
                               struct psam_app **out,
                               struct psam_error **error);

/*
 How the app's store is, as far as is known without asking it: store, condition ("ok" or "degraded": cached tokens are served, and nothing is redeemed that
 could not be saved) and error. Sends nothing and does not wait.
 */
psam_status psam_app_store_condition(const struct psam_app *app,
                                     struct psam_document **out,
                                     struct psam_error **error);

/*
 Closes an app. Operations on other threads end as usual, and tokens, links and lists that came from it stay good. What was sent gets up to two
 seconds to be saved. NULL is no error.
 */
psam_status psam_app_free(struct psam_app *app);

/*
 Opens an app whose key is elsewhere: `sign` signs for it. The configuration names the key's certificate, in PEM and without a key, with
 certificate_file. One signature serves all tokens of a tenant for nine minutes.

 config_json: as for psam_app_open(). user_data: handed to `sign` as it is; may be NULL. free_user_data: may be NULL.

 Errors: PSAM_ERROR_CONFIG_INVALID, PSAM_ERROR_CONFIG_MISSING.
 */
psam_status psam_app_open_with_signer(const char *config_json,
                                      psam_sign sign,
                                      void *user_data,
                                      psam_free_user_data free_user_data,
                                      struct psam_app **out,
                                      struct psam_error **error);

/*
 Opens an app that proves itself by another identity provider's word: `fetch` brings an assertion for each use.

 config_json: as for psam_app_open(). user_data: handed to `fetch` as it is; may be NULL. free_user_data: may be NULL.

 Errors: PSAM_ERROR_CONFIG_INVALID, PSAM_ERROR_CONFIG_MISSING.
 */
psam_status psam_app_open_with_assertion(const char *config_json,
                                         psam_fetch_assertion fetch,
                                         void *user_data,
                                         psam_free_user_data free_user_data,
                                         struct psam_app **out,
                                         struct psam_error **error);

/*
 Makes a cancel handle. About 260,000 can be open at a time.
 */
psam_status psam_cancel_new(struct psam_cancel **out, struct psam_error **error);

/*
 Ends the waits under this handle, within a tenth of a second or so, and all that begin later: they return PSAM_ERROR_CANCELLED. What was
 already sent is still saved, so that no grant is lost.

 May be called from any thread and from a signal handler. Returns PSAM_ERROR_HANDLE_INVALID where the handle is not valid.
 */
psam_status psam_cancel_trip(const struct psam_cancel *cancel);

/*
 Ends a cancel handle, once the operations that were given it have returned. One that still runs goes on, and can be stopped no more. NULL is
 no error.
 */
psam_status psam_cancel_free(struct psam_cancel *cancel);

/*
 Gets an access token: from memory, else from the store, else from the service, whose answer is saved before this returns. May wait; see
 `cancel` in the options.

 partner: whose grant, by tenant id or domain; NULL where there is one partner only. customer: the customer whose tenant the token is for, by id
 or domain; NULL for the partner's own. audience: "graph", "partner-center", "arm", "exchange", "key-vault", "teams", or any resource or scope.
 options: NULL for none.

 Errors: PSAM_ERROR_CONSENT_REQUIRED, PSAM_ERROR_GRANT_EXPIRED and their kin when a person must act; PSAM_ERROR_RATE_LIMITED,
 PSAM_ERROR_SERVER_UNAVAILABLE when waiting helps; PSAM_ERROR_CANCELLED.
 */
psam_status psam_token_get(const struct psam_app *app,
                           const char *partner,
                           const char *customer,
                           const char *audience,
                           const struct psam_token_options *options,
                           struct psam_token **out,
                           struct psam_error **error);

/*
 Ends a token and wipes it from memory. All texts that were read from it end with it. NULL is no error.
 */
psam_status psam_token_free(struct psam_token *token);

/*
 The token itself, for "Authorization: Bearer ...". This and every other text of a token is owned by the token and lives until
 psam_token_free(); all getters return NULL or 0 where the handle is not valid. Keep copies out of logs and files.
 */
const char *psam_token_secret(const struct psam_token *token);

/*
 Length of the token in bytes, without the final NUL.
 */
size_t psam_token_secret_length(const struct psam_token *token);

/*
 When the token ends, in seconds since 1970-01-01T00:00:00Z.
 */
int64_t psam_token_expires_on(const struct psam_token *token);

/*
 From when a new one should be asked for, in seconds since 1970-01-01T00:00:00Z. Asking each time does that by itself, and costs little.
 */
int64_t psam_token_refresh_after(const struct psam_token *token);

/*
 The id of the partner's tenant, whose grant it came from.
 */
const char *psam_token_partner(const struct psam_token *token);

/*
 The id of the tenant that the token is good in: the customer's, or the partner's own.
 */
const char *psam_token_tenant(const struct psam_token *token);

/*
 The service it is for, for example "graph".
 */
const char *psam_token_audience(const struct psam_token *token);

/*
 The scopes that it was issued with, separated by spaces.
 */
const char *psam_token_scopes(const struct psam_token *token);

/*
 Whether MFA is in it.
 */
psam_mfa psam_token_mfa(const struct psam_token *token);

/*
 How many things went wrong that did not keep the token from the caller, such as a store that could not be written.
 */
size_t psam_token_warning_count(const struct psam_token *token);

/*
 One of them, as the same JSON object that psam_error_json() gives of an error; NULL past the end.
 */
const char *psam_token_warning_json(const struct psam_token *token, size_t index);

/*
 All that is known of the token, without the token itself, as one JSON object.
 */
const char *psam_token_json(const struct psam_token *token);

/*
 Makes a link that one partner can use once: open it in a browser, or send it. What its reply must match is kept, sealed, in the store, so that any
 process which shares the store can complete it. May wait.

 partner: who is invited, by tenant id or domain; nobody else can complete the link. audiences: what to ask for, separated by commas; NULL for
 partner-center, graph and arm. options: NULL for none.
 */
psam_status psam_consent_begin(const struct psam_app *app,
                               const char *partner,
                               const char *audiences,
                               const struct psam_consent_options *options,
                               struct psam_consent_link **out,
                               struct psam_error **error);

/*
 Ends a link's handle. All texts that were read from it end with it. NULL is no error.
 */
psam_status psam_consent_link_free(struct psam_consent_link *link);

/*
 The address to open. Good once, for one partner, until psam_consent_link_expires_on(). Not secret, but nobody else's business. This and every
 other text of a link is owned by it and lives until psam_consent_link_free(); all getters return NULL or 0 where the handle is not valid.
 */
const char *psam_consent_link_url(const struct psam_consent_link *link);

/*
 What the reply will repeat in its parameter "state": lets a listener tell the reply from junk.
 */
const char *psam_consent_link_state(const struct psam_consent_link *link);

/*
 The id of the invited partner's tenant.
 */
const char *psam_consent_link_partner(const struct psam_consent_link *link);

/*
 Where the reply goes.
 */
const char *psam_consent_link_redirect_uri(const struct psam_consent_link *link);

/*
 When the link ends, in seconds since 1970-01-01T00:00:00Z.
 */
int64_t psam_consent_link_expires_on(const struct psam_consent_link *link);

/*
 Completes a consent with its reply: the body of the posted form, the redirect's query, or the whole redirect address that a person pasted. The
 sign-in is verified, MFA is proved, the grant is stored, and each audience is minted once. May wait.

 reply: not kept. flags: 0 or PSAM_CONSENT_ALLOW_WITHOUT_MFA. cancel: ends the wait when it is tripped; NULL for none. Who gives up must look at
 psam_grants_list() for whether it was too late.

 Errors: PSAM_ERROR_CONSENT_STATE_UNKNOWN, PSAM_ERROR_CONSENT_LINK_EXPIRED, PSAM_ERROR_CONSENT_DECLINED, PSAM_ERROR_ID_TOKEN_INVALID,
 PSAM_ERROR_TENANT_MISMATCH, PSAM_ERROR_MFA_NOT_PROVED, PSAM_ERROR_MFA_DOWNGRADE, and those of psam_token_get(). After any of them nothing
 was stored.
 */
psam_status psam_consent_complete(const struct psam_app *app,
                                  const char *reply,
                                  uint32_t flags,
                                  const struct psam_cancel *cancel,
                                  struct psam_consented **out,
                                  struct psam_error **error);

/*
 Ends the handle of a completed consent. All texts that were read from it end with it. NULL is no error.
 */
psam_status psam_consented_free(struct psam_consented *consented);

/*
 All that came of it as one JSON object. This and every other text of a completed consent is owned by it and lives until psam_consented_free();
 all getters return NULL or 0 where the handle is not valid.
 */
const char *psam_consented_json(const struct psam_consented *consented);

/*
 The id of the partner's tenant.
 */
const char *psam_consented_partner(const struct psam_consented *consented);

/*
 How the partner was named.
 */
const char *psam_consented_name(const struct psam_consented *consented);

/*
 Who signed in.
 */
const char *psam_consented_user_name(const struct psam_consented *consented);

/*
 What makes the grant weaker than it should be, separated by commas: "device_code", "without_mfa", "imported"; empty where nothing does.
 */
const char *psam_consented_taints(const struct psam_consented *consented);

/*
 Whether the sign-in was proved to have used MFA.
 */
psam_mfa psam_consented_mfa(const struct psam_consented *consented);

/*
 When the grant ends if it is not used before, in seconds since 1970-01-01T00:00:00Z.
 */
int64_t psam_consented_expires_on(const struct psam_consented *consented);

/*
 How many audiences were asked for.
 */
size_t psam_consented_audience_count(const struct psam_consented *consented);

/*
 The name of an audience that was asked for; NULL past the end.
 */
const char *psam_consented_audience(const struct psam_consented *consented, size_t index);

/*
 PSAM_OK where the audience came, else why it did not; PSAM_ERROR_INVALID_ARGUMENT past the end, PSAM_ERROR_HANDLE_INVALID where the
 handle is not valid.
 */
psam_status psam_consented_audience_status(const struct psam_consented *consented,
                                           size_t index);

/*
 Why the audience did not come, as the same JSON object that psam_error_json() gives of an error; NULL where it came, and past the end.
 */
const char *psam_consented_audience_error_json(const struct psam_consented *consented,
                                               size_t index);

/*
 Lists every grant of this app, by tenant id. Sends nothing; may wait for the store.

 cancel: ends the wait when it is tripped; NULL for none.
 */
psam_status psam_grants_list(const struct psam_app *app,
                             const struct psam_cancel *cancel,
                             struct psam_grants **out,
                             struct psam_error **error);

/*
 Ends a list of grants. All texts that were read from it end with it. NULL is no error.
 */
psam_status psam_grants_free(struct psam_grants *grants);

/*
 How many grants are in the list. The texts of a list are owned by it and live until psam_grants_free(); getters with an index return NULL or 0
 past the end, and all of them where the handle is not valid.
 */
size_t psam_grants_count(const struct psam_grants *grants);

/*
 The whole list as one JSON object: schema_version and grants.
 */
const char *psam_grants_json(const struct psam_grants *grants);

/*
 One grant with all its fields as one JSON object.
 */
const char *psam_grants_item_json(const struct psam_grants *grants, size_t index);

/*
 The id of the partner's tenant.
 */
const char *psam_grants_partner(const struct psam_grants *grants, size_t index);

/*
 How people call the partner: by domain where one is known, else by id.
 */
const char *psam_grants_name(const struct psam_grants *grants, size_t index);

/*
 The sign-in name of the account that consented.
 */
const char *psam_grants_user_name(const struct psam_grants *grants, size_t index);

/*
 The audiences that were granted, separated by commas.
 */
const char *psam_grants_audiences(const struct psam_grants *grants, size_t index);

/*
 Why the consent was asked for.
 */
const char *psam_grants_purpose(const struct psam_grants *grants, size_t index);

/*
 What makes the grant weaker than it should be, separated by commas: "device_code", "without_mfa", "imported"; empty where nothing does.
 */
const char *psam_grants_taints(const struct psam_grants *grants,
                               size_t index);

/*
 Whether the sign-in was proved to have used MFA.
 */
psam_mfa psam_grants_mfa(const struct psam_grants *grants, size_t index);

/*
 How the grant was when the list was asked for: "active", "due" (to be renewed), "expired" by the calendar, or "ended" by the service.
 */
const char *psam_grants_condition(const struct psam_grants *grants,
                                  size_t index);

/*
 Counts every change of the grant; the first is 1.
 */
uint64_t psam_grants_generation(const struct psam_grants *grants, size_t index);

/*
 When the person consented, in seconds since 1970-01-01T00:00:00Z.
 */
int64_t psam_grants_consented_on(const struct psam_grants *grants, size_t index);

/*
 When the grant was last used at the service, in seconds since 1970-01-01T00:00:00Z.
 */
int64_t psam_grants_last_redeemed_on(const struct psam_grants *grants, size_t index);

/*
 From when it should be used to keep it alive, in seconds since 1970-01-01T00:00:00Z; see psam_grant_renew().
 */
int64_t psam_grants_renew_after(const struct psam_grants *grants, size_t index);

/*
 When it ends if it is not used before, in seconds since 1970-01-01T00:00:00Z.
 */
int64_t psam_grants_expires_on(const struct psam_grants *grants, size_t index);

/*
 Takes over a partner's refresh token that was obtained elsewhere for this same app. It is redeemed first, MFA is proved as at a consent, and only
 then is anything stored. May wait.

 refresh_token: not kept by this call beyond its end; the caller's copy is the caller's to wipe. audiences: to be proved, separated by commas;
 NULL for those of the purpose, or partner-center, graph and arm. purpose: one that the configuration declares, or words for the record where none is
 declared; NULL for the configuration's own. flags: 0 or PSAM_CONSENT_ALLOW_WITHOUT_MFA. cancel: ends the wait when it is tripped; NULL for none.

 Errors: PSAM_ERROR_GRANT_EXPIRED, PSAM_ERROR_GRANT_REVOKED and their kin where it does not redeem; PSAM_ERROR_MFA_NOT_PROVED,
 PSAM_ERROR_MFA_DOWNGRADE. After any of them nothing was stored.
 */
psam_status psam_grant_import(const struct psam_app *app,
                              const char *partner,
                              const char *refresh_token,
                              const char *audiences,
                              const char *purpose,
                              uint32_t flags,
                              const struct psam_cancel *cancel,
                              struct psam_consented **out,
                              struct psam_error **error);

/*
 Uses a partner's grant now, and so gives it its full life again. May wait.

 cancel: ends the wait when it is tripped; NULL for none. expires_on: gets when the grant ends now if it is not used before, in seconds since
 1970-01-01T00:00:00Z; may be NULL.
 */
psam_status psam_grant_renew(const struct psam_app *app,
                             const char *partner,
                             const struct psam_cancel *cancel,
                             int64_t *expires_on,
                             struct psam_error **error);

/*
 Renews every grant that is due within so many days; run it once a day. A partner's failure is in the document and does not stop the others: renewed,
 failed, and partners, each with partner, expires_on and error. May wait, and long.

 progress: told of each partner as it is done; NULL for none. user_data: handed to progress as it is. cancel: ends the wait when it is tripped; NULL for none.
 */
psam_status psam_grants_renew_due(const struct psam_app *app,
                                  uint32_t within_days,
                                  psam_progress progress,
                                  void *user_data,
                                  const struct psam_cancel *cancel,
                                  struct psam_document **out,
                                  struct psam_error **error);

/*
 Removes a partner's grant from this store: its key, its tokens, everything. At the service it lives on until it is revoked there. May wait.

 cancel: ends the wait when it is tripped; NULL for none. removed: gets 1, or 0 where there was none; may be NULL.
 */
psam_status psam_grant_revoke(const struct psam_app *app,
                              const char *partner,
                              const struct psam_cancel *cancel,
                              int32_t *removed,
                              struct psam_error **error);

/*
 Looks at everything that has to be right for a token to come: the app's credentials, the store and its key, the way to the service, the clock, the
 redirect address; and for a partner the grant, a new token for each audience, MFA, the role in Partner Center, and one customer. May wait for store and
 network. What does not work is a finding, not an error.

 partner: tenant id or domain; NULL where there is one grant only. customer: one of the partner's customers; NULL for none. cancel: ends the wait when it
 is tripped; NULL for none.
 */
psam_status psam_doctor(const struct psam_app *app,
                        const char *partner,
                        const char *customer,
                        const struct psam_cancel *cancel,
                        struct psam_checkup **out,
                        struct psam_error **error);

/*
 Ends a check-up. The text that was read from it ends with it. NULL is no error.
 */
psam_status psam_checkup_free(struct psam_checkup *checkup);

/*
 The worst of the findings: one of the PSAM_LEVEL_ constants; PSAM_LEVEL_FAIL where the handle is not valid.
 */
psam_level psam_checkup_verdict(const struct psam_checkup *checkup);

/*
 The whole check-up as one JSON object: schema_version, version, authority, verdict, and findings, each with check, about, level, message, fix,
 error_number, error_id, codes and correlation_id. Safe to paste: names of tenants and accounts give way to what they stand for, ids are cut short, and
 no secret is in it. NULL where the handle is not valid.
 */
const char *psam_checkup_json(const struct psam_checkup *checkup);

/*
 Explains a number ("50076", "AADSTS50076", "900421", "2001"), a name ("SecretNotFound", "ConsentRequired", "invalid_grant"), or a whole error
 text, JSON or not: one row for each code in it, and none where there is neither a code nor the id of a request. Needs no app and sends nothing.
 */
psam_status psam_explain(const char *text,
                         struct psam_explanation **out,
                         struct psam_error **error);

/*
 Ends an explanation. All texts that were read from it end with it. NULL is no error.
 */
psam_status psam_explanation_free(struct psam_explanation *explanation);

/*
 All of it as one JSON object, with the fields of `partnersam explain --json`: who must act, the class, the ids in the text and more. This and every
 other text of an explanation is owned by it and lives until psam_explanation_free(); all getters return NULL or 0 where the handle is not valid.
 */
const char *psam_explanation_json(const struct psam_explanation *explanation);

/*
 How many rows there are: 16 at the most. Of a text with more codes the first are explained, and psam_explanation_json() has more: true.
 */
size_t psam_explanation_count(const struct psam_explanation *explanation);

/*
 A row's code, for example "AADSTS50076"; empty where the text has ids but no code; NULL past the end.
 */
const char *psam_explanation_code(const struct psam_explanation *explanation, size_t index);

/*
 What it means, in one sentence; NULL past the end.
 */
const char *psam_explanation_meaning(const struct psam_explanation *explanation, size_t index);

/*
 Who must act and what to do, in one sentence; NULL past the end.
 */
const char *psam_explanation_hint(const struct psam_explanation *explanation, size_t index);

/*
 The next command, with PARTNER, CUSTOMER and AUDIENCE for what the failed call was about; NULL where there is none, and past the end.
 */
const char *psam_explanation_command(const struct psam_explanation *explanation,
                                     size_t index);

/*
 Where it is explained at length; NULL past the end.
 */
const char *psam_explanation_link(const struct psam_explanation *explanation, size_t index);

/*
 Ends a document. The text that was read from it ends with it. NULL is no error.
 */
psam_status psam_document_free(struct psam_document *document);

/*
 The JSON text: times as RFC 3339 in UTC, durations in whole seconds, a field that is not known null or empty and never absent, and no secret. NULL
 where the handle is not valid.
 */
const char *psam_document_json(const struct psam_document *document);

/*
 Lists a partner's customers as Partner Center has them: schema_version, partner, count and customers, each with tenant, name and domain. May wait.

 partner: tenant id or domain; NULL where there is one grant only. purpose: one that the configuration declares; NULL for the configuration's own.
 cancel: ends the wait when it is tripped; NULL for none.
 */
psam_status psam_customers_list(const struct psam_app *app,
                                const char *partner,
                                const char *purpose,
                                const struct psam_cancel *cancel,
                                struct psam_document **out,
                                struct psam_error **error);

/*
 Compares what the app is consented to at each customer with what is wanted, and changes nothing. What fails at one customer is in the document and does
 not stop the others. May wait.

 request_json: one object with grants (what stands in a grants file: display_name and grants) or grants_file (its path), and, where they are wanted,
 partner, customers (a list; all when it is left out), and purpose. progress: told of each customer as it is done; NULL for none. user_data: handed to
 progress as it is. cancel: ends the wait when it is tripped; NULL for none.

 The document: operation, partner, display_name, count, as_desired, to_change, no_consent, applied, proved_before, failed, and customers, each with tenant,
 name, domain, verdict, differences and error.
 */
psam_status psam_customers_plan(const struct psam_app *app,
                                const char *request_json,
                                psam_progress progress,
                                void *user_data,
                                const struct psam_cancel *cancel,
                                struct psam_document **out,
                                struct psam_error **error);

/*
 Brings what the app is consented to at each customer to what is wanted, and reads it back; see psam_customers_plan() for request and document. May wait,
 and long: Partner Center takes 50 requests a second. What was cut short goes on with the same call; request_json may name a journal (a path), where its
 progress is kept.
 */
psam_status psam_customers_apply(const struct psam_app *app,
                                 const char *request_json,
                                 psam_progress progress,
                                 void *user_data,
                                 const struct psam_cancel *cancel,
                                 struct psam_document **out,
                                 struct psam_error **error);

/*
 Checks the audit record from its first line to its last. What is wrong with it is in the document, not an error: whole, faults and notes (each with what,
 file, line, text), lines, first, last, folder, and anchor, its end, to be kept elsewhere. Sends nothing; may wait for the store's key.

 anchor: an end that was noted before and must be in the record; NULL for none. from_line: the number of the line that the record begins with; 1 unless
 earlier files were put elsewhere. cancel: ends the wait when it is tripped; NULL for none.

 Errors: PSAM_ERROR_NOT_SUPPORTED where nothing is recorded, PSAM_ERROR_INVALID_ARGUMENT where there is no line yet or the anchor is none.
 */
psam_status psam_audit_verify(const struct psam_app *app,
                              const char *anchor,
                              uint64_t from_line,
                              const struct psam_cancel *cancel,
                              struct psam_document **out,
                              struct psam_error **error);

/*
 Shows lines of the audit record, oldest first: lines, as they stand in the record, and unreadable, how many were no lines. Checks nothing. May wait.

 query_json: one object with what is wanted of since, until (a time in UTC or its beginning: "2026-11"), partner, customer, purpose, audience, operation
 and outcome; NULL for all lines. cancel: ends the wait when it is tripped; NULL for none.

 Errors: as for psam_audit_verify().
 */
psam_status psam_audit_show(const struct psam_app *app,
                            const char *query_json,
                            const struct psam_cancel *cancel,
                            struct psam_document **out,
                            struct psam_error **error);

/*
 Removes a partner's grant as psam_grant_revoke() does, and before that, while there is a grant to do it with, does at the service what the flags say. What
 cannot be done there now keeps the grant for the next attempt. May wait.

 flags: PSAM_REVOKE_EVERYWHERE, PSAM_REVOKE_CUSTOMER_CONSENTS, both, or 0. cancel: ends the wait when it is tripped; NULL for none.

 The document: partner, removed, store, and steps, each with step, outcome ("done", "by_hand", "postponed"), note, by_hand (what a person must do) and
 error. Ending sign-ins needs the delegated permission User.RevokeSessions.All of graph.
 */
psam_status psam_grant_revoke_with(const struct psam_app *app,
                                   const char *partner,
                                   uint32_t flags,
                                   const struct psam_cancel *cancel,
                                   struct psam_document **out,
                                   struct psam_error **error);

/*
 The steps that an incident would take, in their order. Sends nothing and changes nothing; may wait for the store.

 request_json: one object with partners (a list) or all (true), and, where they are wanted, keep_credential (true: the app's credential stays),
 customer_consents (true) and evidence (a path). cancel: ends the wait when it is tripped; NULL for none.

 The document: dry_run, steps, each with number, step, partner, name and what, and know, what people get wrong about stolen tokens.

 Errors: PSAM_ERROR_CONSENT_REQUIRED for a partner without a grant.
 */
psam_status psam_incident_plan(const struct psam_app *app,
                               const char *request_json,
                               const struct psam_cancel *cancel,
                               struct psam_document **out,
                               struct psam_error **error);

/*
 Takes those steps: ends sign-ins, withdraws consents, replaces the app's credential, removes grants; leaves a file of evidence. The same call goes on
 where an earlier one was cut short, by a kill, too. May wait, and long; see psam_incident_plan() for the request.

 progress: told of each step as it ends; NULL for none. user_data: handed to progress as it is. cancel: ends the wait when it is tripped; NULL for none.

 The document: incident, began, settled (false: some steps were postponed, and the same call does them later), steps, each with outcome ("done",
 "done_before", "by_hand", "postponed"), note, by_hand and error, consents (how each partner consents anew: the links are for the partners only), know, and
 evidence (its path).

 Errors: PSAM_ERROR_AUDIT_UNWRITABLE before anything is done; PSAM_ERROR_STORE_CONFLICT where another process is at it; PSAM_ERROR_INVALID_ARGUMENT where
 an unfinished one has other choices.
 */
psam_status psam_incident_run(const struct psam_app *app,
                              const char *request_json,
                              psam_progress progress,
                              void *user_data,
                              const struct psam_cancel *cancel,
                              struct psam_document **out,
                              struct psam_error **error);

/*
 What is known of the store's key: store, source (where it lives), held (how many keys are there: 1, and 2 while the key changes), rotation ("none", "moving",
 "retiring") and left (grants still under the old key). Asks the key's source; may wait.

 cancel: ends the wait when it is tripped; NULL for none.

 Errors: PSAM_ERROR_NOT_SUPPORTED where the store's key cannot be changed.
 */
psam_status psam_key_status(const struct psam_app *app,
                            const struct psam_cancel *cancel,
                            struct psam_document **out,
                            struct psam_error **error);

/*
 Gives the store a new key while others go on working with it, or brings a change that was cut short to its end: the same call goes on after any error and after
 a kill. May wait, and long.

 request_json: one object with what is wanted of dry_run (true: says what would be done, and does nothing) and to (a source that the store changes to:
 "keyring", "file:PATH" or "keyvault://NAME", which holds no key yet); NULL for none. progress: told how many grants are moved, some at a time, with "null" as
 item_json; NULL for none. user_data: handed to progress as it is. cancel: ends the wait when it is tripped; NULL for none.

 The document: store, resumed (a change that was cut short was brought to its end), moved and unreadable (grants), old_key_removed (false: somebody else
 removes it from its source), prepared_only (true: the new key was made and no more; bring both keys to every other host, and call again), and other_hosts
 (true: call psam_key_retire() on every other one), and config_line (the line of the configuration to change, where the store changes to another source;
 until then the old one opens it as well). With dry_run: source, held, rotation, grants (that would be moved), makes_key, first_by_hand (true: the
 new key is put into its source by a person, first), prepares_only, other_hosts and config_line.

 Errors: PSAM_ERROR_NOT_SUPPORTED where the store or the source cannot; PSAM_ERROR_STORE_CONFLICT where another process is at it.
 */
psam_status psam_key_rotate(const struct psam_app *app,
                            const char *request_json,
                            psam_progress progress,
                            void *user_data,
                            const struct psam_cancel *cancel,
                            struct psam_document **out,
                            struct psam_error **error);

/*
 Removes from this host's source every key that is not the store's: on the other hosts after a change, and where one was made that is not wanted. The
 document: store, and old_key_removed (false: somebody else removes it). May wait.

 cancel: ends the wait when it is tripped; NULL for none.

 Errors: PSAM_ERROR_INVALID_ARGUMENT while records are still under the old key.
 */
psam_status psam_key_retire(const struct psam_app *app,
                            const struct psam_cancel *cancel,
                            struct psam_document **out,
                            struct psam_error **error);

/*
 Writes every grant of this app into a new file, encrypted by age (<https://age-encryption.org>), that travels to another host. The grants stay here. The
 document: store, file, and grants (how many). May wait; with a passphrase it takes about a second, and 256 MiB.

 path: the file; one that is there is never replaced. recipients: whose identities open it (age1...), separated by commas; NULL where there is a passphrase.
 passphrase: what opens it; NULL where there are recipients. Not kept by this call beyond its end; the caller's copy is the caller's to wipe. progress: told of
 each grant as it is packed, its partner and name, with 0 as total; NULL for none. user_data: handed to progress as it is. cancel: ends the wait when it is
 tripped; NULL for none.

 Errors: PSAM_ERROR_INVALID_ARGUMENT where the file is there already, or nobody or both are named who could open it; PSAM_ERROR_AUDIT_UNWRITABLE.
 */
psam_status psam_store_export(const struct psam_app *app,
                              const char *path,
                              const char *recipients,
                              const char *passphrase,
                              psam_progress progress,
                              void *user_data,
                              const struct psam_cancel *cancel,
                              struct psam_document **out,
                              struct psam_error **error);

/*
 Takes the grants of such a file into this store. One that is here and newer is kept, and so is one that was proved with MFA where the file's was not; the same
 call can be made again. The document: store, taken, kept, and grants, each with partner, name and arrival ("came", "replaced", "kept_newer", "kept_mfa"). May
 wait.

 path: the file. identity: the text of an identity file of age (AGE-SECRET-KEY-1...); NULL where there is a passphrase. passphrase: what opens it; NULL where
 there is an identity. Neither is kept by this call beyond its end. progress: told of each grant as it is taken or kept; NULL for none. user_data: handed to
 progress as it is. cancel: ends the wait when it is tripped; NULL for none.

 Errors: PSAM_ERROR_STORE_KEY_WRONG where the file does not open; PSAM_ERROR_STORE_CORRUPT where it is damaged, before anything is taken;
 PSAM_ERROR_INVALID_ARGUMENT for another app's; PSAM_ERROR_AUDIT_UNWRITABLE.
 */
psam_status psam_store_import(const struct psam_app *app,
                              const char *path,
                              const char *identity,
                              const char *passphrase,
                              psam_progress progress,
                              void *user_data,
                              const struct psam_cancel *cancel,
                              struct psam_document **out,
                              struct psam_error **error);

/*
 Reads where another tool keeps a partner's grant, in whatever form, and says what is there. Redeems, stores and changes nothing. May wait.

 request_json: one object with partner and source (a file, "keyvault://NAME", "keyvault://NAME/secrets/SECRET", a secret's identifier, or
 "keyring:SERVICE/USER"), and, where they are wanted, audiences (a list), purpose, allow_without_mfa (true), vault_identity ("app", "managed-identity",
 "workload-identity" or "azure-cli"), write_back (true: the new token goes into the vault's secret, too) and purge (true: the old token is removed where it
 was, once the grant has proved itself). given: what was in a source, as its bytes, instead of a source; NULL where the source is named. It may be the
 refresh token alone, and is not part of the request, because that is not wiped. given_length: its length. cancel: ends the wait when it is tripped; NULL
 for none.

 The document: form, token_at (where the token stands), is_empty (whether there is none any more), and leftovers, each with kind ("password", "secret",
 "other-refresh-token") and place: what else may be deleted.

 Errors: PSAM_ERROR_INVALID_ARGUMENT for what is in no form that is known, contradicts itself, or is of another partner;
 PSAM_ERROR_GRANT_OF_ANOTHER_APP; PSAM_ERROR_NOT_SUPPORTED for a SecureString; those of the vault or keyring that is read.
 */
psam_status psam_grant_import_plan(const struct psam_app *app,
                                   const char *request_json,
                                   const uint8_t *given,
                                   size_t given_length,
                                   const struct psam_cancel *cancel,
                                   struct psam_document **out,
                                   struct psam_error **error);

/*
 Moves a partner's grant in: finds the refresh token, checks that it was given to this app and for this partner, redeems it, proves MFA as at a consent, and
 only then stores it, and writes back or purges where that is asked for. See psam_grant_import_plan() for the request. May wait.

 The document: that of a consent where one was stored, and moved_in, what was found, with stored_before (true: an earlier call had stored it and the purge
 alone was left), written_back and purged, each null where it was not asked for, else with done, words and error. With purge the same call may be made again
 until the old token is gone.

 Errors: as for psam_grant_import_plan() and psam_grant_import(); after any of them nothing was stored and the source is as it was. What fails after the
 grant is stored is in the document.
 */
psam_status psam_grant_import_from(const struct psam_app *app,
                                   const char *request_json,
                                   const uint8_t *given,
                                   size_t given_length,
                                   const struct psam_cancel *cancel,
                                   struct psam_document **out,
                                   struct psam_error **error);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PARTNERSAM_H */

// The header in C++, where it is stricter: every type is used, and the constants are what C has.
#include "partnersam.h"

static_assert(PSAM_OK == 0 && PSAM_ERROR_CONSENT_REQUIRED == 2001, "numbers are frozen");
static_assert(sizeof(psam_status) == 4 && sizeof(psam_mfa) == 4, "numbers have 32 bits");

psam_status every_type(psam_app *app, psam_token **token, psam_consent_link **link, psam_consented **consented, psam_grants **grants, psam_error **error) {
    psam_token_options token_options{};
    token_options.struct_size = sizeof token_options;
    psam_consent_options consent_options{};
    consent_options.struct_size = sizeof consent_options;
    psam_cancel *cancel = nullptr;
    psam_status status = psam_cancel_new(&cancel, error);
    if (status == PSAM_OK) status = psam_token_get(app, nullptr, nullptr, "graph", &token_options, token, error);
    if (status == PSAM_OK) status = psam_consent_begin(app, "fabrikam.com", nullptr, &consent_options, link, error);
    if (status == PSAM_OK) status = psam_consent_complete(app, "", PSAM_CONSENT_ALLOW_WITHOUT_MFA, cancel, consented, error);
    return status == PSAM_OK ? psam_grants_list(app, cancel, grants, error) : status;
}

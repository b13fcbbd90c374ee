/* An access token for Microsoft Graph in a customer's tenant. Build with: cc hello.c -lpartnersam_c */
#include <partnersam.h>
#include <stdio.h>

int main(int count, char **arguments) {
    const char *partner = count > 1 ? arguments[1] : NULL, *customer = count > 2 ? arguments[2] : NULL;
    psam_app *app = NULL;
    psam_token *token = NULL;
    psam_error *error = NULL;

    /* NULL: the environment and the user's own configuration file. */
    if (psam_app_open(NULL, &app, &error) == PSAM_OK && psam_token_get(app, partner, customer, "graph", NULL, &token, &error) == PSAM_OK) {
        /* psam_token_secret(token) goes into the header: Authorization: Bearer ... */
        printf("a token of %zu bytes, good in tenant %s\n", psam_token_secret_length(token), psam_token_tenant(token));
    } else {
        fprintf(stderr, "%s: %s\nhint: %s\n", psam_error_id(error), psam_error_message(error), psam_error_hint(error));
    }
    int status = error ? 1 : 0;
    psam_token_free(token);
    psam_error_free(error);
    psam_app_free(app);
    return status;
}

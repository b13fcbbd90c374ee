// An OAuth 2.0 and OpenID Connect server that nobody here wrote (oidc-provider, certified), configured as strictly as a client
// of ours must bear: PKCE always, refresh tokens for one use with the family revoked on reuse, JWT access tokens for one named
// resource, a client secret with characters that a form must escape.
//
// Environment: READY_FILE (written when it listens: one JSON object), TLS_CHAIN and TLS_KEY (PEM), PORT (default 0: any),
// ACCESS_TOKEN_SECONDS (default 300), AMR (default "pwd mfa"), CLIENT_JWK (a public key, JSON) and CLIENT_ALGORITHM: the client then proves itself
// by an assertion (private_key_jwt, RFC 7523), which is taken once, instead of its secret. The sign-in pages are plain forms, for a browser as for a script.

import { randomBytes, generateKeyPairSync } from 'node:crypto';
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';

import Provider, { errors } from 'oidc-provider';

const need = (name) => {
  const value = process.env[name];
  if (!value) throw new Error(`environment variable is not set: ${name}`);
  return value;
};

const readyFile = need('READY_FILE');
const accessTokenSeconds = Number(process.env.ACCESS_TOKEN_SECONDS ?? 300);
const amr = (process.env.AMR ?? 'pwd mfa').split(' ');

// New for each start, so that no test can come to lean on one of them, and no scanner meets one in a repository.
const secret = (name) => `test-${name}+&%=${randomBytes(12).toString('hex')}`;
const user = { login: 'admin@partner.test', password: secret('password'), sub: 'partner-admin' };
const client = { client_id: 'test-client', client_secret: secret('client-secret') };
const proof = process.env.CLIENT_JWK
  ? {
    token_endpoint_auth_method: 'private_key_jwt',
    token_endpoint_auth_signing_alg: process.env.CLIENT_ALGORITHM,
    jwks: { keys: [JSON.parse(process.env.CLIENT_JWK)] },
  }
  : { token_endpoint_auth_method: 'client_secret_post' };
const resources = {
  'https://graph.test/': 'graph.read graph.write',
  'https://partner-center.test/': 'user_impersonation',
};
const requests = [];

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const signingKey = { ...privateKey.export({ format: 'jwk' }), kid: 'test-key-1', use: 'sig', alg: 'RS256' };

const configuration = {
  clients: [{
    ...client,
    application_type: 'native', // a loopback redirect then matches on any port (RFC 8252, section 7.3)
    redirect_uris: ['http://127.0.0.1/', 'http://[::1]/', 'http://localhost/', 'http://127.0.0.1/callback', 'http://localhost/callback'],
    response_types: ['code'],
    grant_types: [
      'authorization_code', 'refresh_token', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code',
    ],
    ...proof,
  }],
  jwks: { keys: [signingKey] },
  clientAuthMethods: ['client_secret_post', 'private_key_jwt'],
  enabledJWA: { clientAuthSigningAlgValues: ['PS256', 'RS256'] },
  cookies: { keys: [randomBytes(24).toString('base64url')] },
  claims: { openid: ['sub'], email: ['email'], profile: ['name'] },
  conformIdTokenClaims: false,
  scopes: ['openid', 'offline_access', 'email', 'profile'],
  pkce: { required: () => true },
  findAccount: (_ctx, id) => (id === user.sub
    ? { accountId: id, claims: () => ({ sub: id, email: user.login, name: 'Test Administrator' }) }
    : undefined),
  interactions: { url: (_ctx, interaction) => `/interaction/${interaction.uid}` },
  features: {
    devInteractions: { enabled: false },
    deviceFlow: {
      enabled: true,
      userCodeInputSource: (ctx, form, _out, error) => page(ctx, 'Enter the code', `${form}${error ? '<p>Not that one.</p>' : ''}
        <button form="op.deviceInputForm">Continue</button>`),
      userCodeConfirmSource: (ctx, form, _client, _device, code) => page(ctx, 'Is this your code?', `<p>${code}</p>${form}
        <button form="op.deviceConfirmForm">Continue</button>`),
      successSource: (ctx) => page(ctx, 'Signed in', '<p>You can close this page.</p>'),
    },
    clientCredentials: { enabled: true },
    introspection: { enabled: true },
    revocation: { enabled: true },
    rpInitiatedLogout: { enabled: false },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      defaultResource: (_ctx, _client, oneOf) => oneOf?.[0],
      getResourceServerInfo: (_ctx, resource) => {
        if (!Object.hasOwn(resources, resource)) throw new errors.InvalidTarget();
        return {
          scope: resources[resource],
          audience: resource,
          accessTokenFormat: 'jwt',
          accessTokenTTL: accessTokenSeconds,
          jwt: { sign: { alg: 'RS256' } },
        };
      },
    },
  },
  // Some servers ask for prompt=consent before they give one; the client's side of that is not what these tests are about.
  issueRefreshToken: (_ctx, asking, source) => asking.grantTypeAllowed('refresh_token') && source.constructor.name !== 'ClientCredentials',
  expiresWithSession: () => false,
  rotateRefreshToken: () => true,
  extraTokenClaims: (_ctx, token) => (token.constructor.name === 'AccessToken' ? { amr } : undefined),
  ttl: {
    AccessToken: accessTokenSeconds,
    AuthorizationCode: 60,
    ClientCredentials: accessTokenSeconds,
    DeviceCode: 600,
    Grant: 14 * 24 * 3600,
    IdToken: 3600,
    Interaction: 3600,
    RefreshToken: 14 * 24 * 3600,
    Session: 3600,
  },
};

const server = createServer({ cert: readFileSync(need('TLS_CHAIN')), key: readFileSync(need('TLS_KEY')) });
server.listen(Number(process.env.PORT ?? 0), '127.0.0.1', () => {
  const issuer = `https://localhost:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  provider.use(record);
  provider.use(interactions(provider));
  server.on('request', provider.callback());
  writeFileSync(`${readyFile}.new`, `${JSON.stringify({ issuer, client, user, resources }, null, 2)}\n`, { mode: 0o600 });
  renameSync(`${readyFile}.new`, readyFile);
});

/** What was asked of the token endpoint and how it was answered, at /peer/requests: a test counts redemptions here. */
async function record(ctx, next) {
  if (ctx.path === '/peer/requests') {
    ctx.body = requests;
    return;
  }
  await next();
  if (ctx.path === '/token') {
    const { grant_type: grant, resource, scope } = ctx.oidc?.params ?? ctx.oidc?.body ?? {};
    requests.push({ grant_type: grant, resource, scope, status: ctx.status, error: ctx.body?.error });
  }
}

/** Sign-in and consent: one form each, posted back to where it came from. */
function interactions(provider) {
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/interaction/')) return next();
    const { prompt, params, session, grantId } = await provider.interactionDetails(ctx.req, ctx.res);
    if (ctx.method === 'GET') {
      return page(ctx, prompt.name === 'login' ? 'Sign in' : 'Consent', prompt.name === 'login' ? signInForm() : consentForm(params));
    }
    const posted = await form(ctx.req);
    let result;
    if (posted.get('answer') === 'no') {
      result = { error: 'access_denied', error_description: 'the user said no' };
    } else if (prompt.name === 'login') {
      if (posted.get('login') !== user.login || posted.get('password') !== user.password) {
        ctx.status = 401;
        return page(ctx, 'Sign in', `<p>That is not right.</p>${signInForm()}`);
      }
      result = { login: { accountId: user.sub, amr } };
    } else {
      const { missingOIDCScope, missingOIDCClaims, missingResourceScopes } = prompt.details;
      const grant = grantId
        ? await provider.Grant.find(grantId)
        : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
      if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(' '));
      if (missingOIDCClaims) grant.addOIDCClaims(missingOIDCClaims);
      for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
        grant.addResourceScope(resource, scopes.join(' '));
      }
      result = { consent: { grantId: await grant.save() } };
    }
    // `login` stays beside `consent`: one interaction may ask for both, one after the other.
    return provider.interactionFinished(ctx.req, ctx.res, result, { mergeWithLastSubmission: true }).then(() => { ctx.respond = false; });
  };
}

function signInForm() {
  return `<form method="post"><label>Login <input name="login" autocomplete="off"></label>
    <label>Password <input name="password" type="password"></label>
    <button name="answer" value="yes">Sign in</button> <button name="answer" value="no">Cancel</button></form>`;
}

function consentForm(params) {
  return `<p>${escape(params.client_id)} asks for ${escape(params.scope ?? '')}</p>
    <form method="post"><button name="answer" value="yes">Accept</button> <button name="answer" value="no">Cancel</button></form>`;
}

function page(ctx, title, body) {
  ctx.type = 'html';
  ctx.body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><h1>${title}</h1>${body}</html>`;
}

function escape(text) {
  return text.replace(/[&<>"]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

async function form(request) {
  const parts = [];
  for await (const part of request) parts.push(part);
  return new URLSearchParams(Buffer.concat(parts).toString());
}

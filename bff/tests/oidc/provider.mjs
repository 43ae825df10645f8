// A real OpenID provider for the tests: prints its address, then issues JWT access tokens until it is stopped.
// `node provider.mjs PORT KID`: the port may be 0; the key's name changes with every "rotation".
import { generateKeyPairSync } from "node:crypto";
import { createServer } from "node:http";
import Provider from "oidc-provider";

const [port, kid] = process.argv.slice(2);
const AUDIENCE = "https://api.shop.test";

const key = (type, options, extra) => ({
  ...generateKeyPairSync(type, options).privateKey.export({ format: "jwk" }),
  use: "sig",
  ...extra,
});

const client = (client_id) => ({
  client_id,
  client_secret: "a secret of the tests",
  grant_types: ["client_credentials", "password"],
  token_endpoint_auth_method: "client_secret_post",
  redirect_uris: [],
  response_types: [],
});

// By account, as the last request for a token said.
const roles = new Map();

const server = createServer();
server.listen(Number(port), "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const resource = (indicator) => ({
    scope: "orders:read orders:write",
    audience: indicator.startsWith(AUDIENCE) ? AUDIENCE : indicator,
    accessTokenTTL: 300,
    accessTokenFormat: "jwt",
    jwt: { sign: { alg: indicator.endsWith("/ec") ? "ES256" : "RS256" } },
  });
  const provider = new Provider(issuer, {
    clients: [client("shop-app"), client("stranger")],
    jwks: {
      keys: [
        key("rsa", { modulusLength: 2048 }, { kid: `rsa-${kid}`, alg: "RS256" }),
        key("ec", { namedCurve: "P-256" }, { kid: `ec-${kid}`, alg: "ES256" }),
      ],
    },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (context, indicator) => resource(indicator),
      },
    },
    extraTokenClaims: (context, token) => ({
      realm_access: { roles: [roles.get(token.accountId) ?? "none"] },
      email: `${token.accountId}@shop.test`,
    }),
  });
  provider.registerGrantType(
    "password",
    async (context, next) => {
      const { params, client } = context.oidc;
      const { AccessToken, ResourceServer } = provider;
      roles.set(params.username, params.role);
      const token = new AccessToken({ accountId: params.username, client, gty: "password", scope: "orders:read" });
      token.resourceServer = new ResourceServer(params.resource, resource(params.resource));
      context.body = { access_token: await token.save(), token_type: "Bearer" };
      await next();
    },
    ["username", "resource", "role"],
  );
  provider.on("server_error", (context, error) => console.error(error));
  server.on("request", provider.callback());
  console.log(issuer);
});

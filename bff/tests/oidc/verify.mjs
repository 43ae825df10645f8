// Verifies a token with another library than ours, from the public keys alone: `node verify.mjs ISSUER AUDIENCE TOKEN`.
import { createRemoteJWKSet, jwtVerify } from "jose";

const [issuer, audience, token] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
const { payload, protectedHeader } = await jwtVerify(token, keys, { issuer, audience, typ: "at+jwt" });
console.log(JSON.stringify({ alg: protectedHeader.alg, ...payload }));

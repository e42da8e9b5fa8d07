// Starts oauth2-mock-server with the paths of Entra ID: node token_server.mjs CERT KEY < SECRET
// The client id chooses what happens: lives-N gets tokens for N seconds, status-N gets that status.
import { readFileSync } from "node:fs";
import { createServer } from "node:https";
import { OAuth2Issuer, OAuth2Service } from "oauth2-mock-server";

const [cert, key] = process.argv.slice(2);
const secret = readFileSync(0, "utf8").trim();
const issuer = new OAuth2Issuer();
await issuer.keys.generate("RS256");
const service = new OAuth2Service(issuer);
const asked = {};
const assertions = {};

const chosen = (client, word) => Number(client.match(new RegExp(`^${word}-(\\d+)`))?.[1] ?? 0);

service.on("beforeTokenSigning", ({ payload }, { body }) => {
  payload.iss = "https://sts.windows.net/tenant/";
  payload.aud = body.scope.split(" ")[0].replace("/.default", "");
  payload.appid = body.client_id;
  payload.exp = payload.iat + (chosen(body.client_id, "lives") || 3600);
});

service.on("beforeResponse", (response, { body }) => {
  (asked[body.client_id] ??= []).push(body.scope.split(" ")[0]);
  response.body.expires_in = chosen(body.client_id, "lives") || 3600;
  const status = chosen(body.client_id, "status");
  if (status) {
    response.statusCode = status;
    response.body = { error: "temporarily_unavailable", error_description: "from the test" };
  } else if (body.client_assertion) {
    assertions[body.client_id] = body.client_assertion; // for the test to look at
  } else if (body.client_secret !== secret) {
    response.statusCode = 401;
    response.body = { error: "invalid_client", error_description: "AADSTS7000215: wrong secret" };
  }
});

const tls = { cert: readFileSync(cert), key: readFileSync(key) };
const server = createServer(tls, (request, response) => {
  if (request.url.startsWith("/asked/")) {
    response.end(JSON.stringify(asked[request.url.slice("/asked/".length)] ?? []));
    return;
  }
  if (request.url.startsWith("/assertions/")) {
    response.end(JSON.stringify(assertions[request.url.slice("/assertions/".length)] ?? ""));
    return;
  }
  request.url = request.url
    .replace(/^\/[^/]+\/v2\.0\/\.well-known/, "/.well-known")
    .replace(/^\/[^/]+\/oauth2\/v2\.0\/token/, "/token");
  service.requestHandler(request, response);
});
server.listen(0, "127.0.0.1", () => {
  issuer.url = `https://127.0.0.1:${server.address().port}`;
});

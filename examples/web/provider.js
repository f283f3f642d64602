// What Argo's web metric provider does, apart from sending: from the metric's configuration to a request, and from a
// response to a measurement. Pure, so that it can be tested without a host.

import { compile } from "./jsonpath.js";

const DEFAULT_TIMEOUT_SECONDS = 10;

/** A typed error of the contract. */
export const invalidConfig = (message) => ({ tag: "invalid-config", val: message });
export const unavailable = (message) => ({ tag: "unavailable", val: { message, retryAfter: undefined } });

/** Reads the object under the plugin's name. */
export function readConfig(json) {
  let config;
  try {
    config = JSON.parse(json);
  } catch (error) {
    throw invalidConfig(`the configuration is no JSON: ${error.message}`);
  }
  if (config === null || typeof config !== "object" || Array.isArray(config)) throw invalidConfig("the configuration is no object");
  text(config, "url", true);
  for (const name of ["method", "body", "jsonPath"]) text(config, name, false);
  const method = config.method || "GET";
  if (!["GET", "POST", "PUT"].includes(method)) throw invalidConfig(`method: ${JSON.stringify(method)} is not one of GET, POST, PUT`);
  const hasJsonBody = config.jsonBody !== undefined && config.jsonBody !== null;
  if (config.body && hasJsonBody) throw invalidConfig("use either Body or JSONBody; both cannot exists for WebMetric payload");
  if ((config.body || hasJsonBody) && method === "GET") {
    throw invalidConfig("Body/JSONBody can only be used with POST or PUT WebMetric Method types");
  }
  if (config.headers !== undefined && !Array.isArray(config.headers)) throw invalidConfig("headers: not a list of {key, value}");
  for (const [index, header] of (config.headers ?? []).entries()) {
    if (typeof header?.key !== "string" || typeof header?.value !== "string") throw invalidConfig(`headers[${index}]: not {key, value}`);
  }
  const seconds = config.timeoutSeconds ?? 0;
  if (!Number.isInteger(seconds)) throw invalidConfig("timeoutSeconds: not a whole number of seconds");
  let find;
  try {
    find = compile(config.jsonPath || "{$}");
  } catch (error) {
    throw invalidConfig(`jsonPath: ${error.message}`);
  }
  return {
    method,
    url: config.url,
    headers: (config.headers ?? []).map(({ key, value }) => ({ name: key, value })),
    body: hasJsonBody ? JSON.stringify(config.jsonBody) : (config.body ?? ""),
    json: hasJsonBody,
    timeout: Math.min((seconds > 0 ? seconds : DEFAULT_TIMEOUT_SECONDS) * 1000, 0xffffffff),
    insecure: config.insecure === true,
    oauth2: readOauth2(config.authentication?.oauth2),
    find,
  };
}

function text(config, name, required) {
  const value = config[name];
  if (value === undefined || value === null || value === "") {
    if (required) throw invalidConfig(`${name} is missing`);
  } else if (typeof value !== "string") throw invalidConfig(`${name}: not a text`);
}

function readOauth2(oauth2) {
  if (!oauth2?.tokenUrl) return undefined;
  if (!oauth2.clientId || !oauth2.clientSecret) throw invalidConfig("missing mandatory parameter in metric for OAuth2 setup");
  return { tokenUrl: oauth2.tokenUrl, clientId: oauth2.clientId, clientSecret: oauth2.clientSecret, scopes: oauth2.scopes ?? [] };
}

/** The request of a measurement; `token` is an OAuth2 access token. */
export function measurementRequest(config, token) {
  const headers = new Map();
  for (const { name, value } of config.headers) headers.set(name.toLowerCase(), { name, value });
  if (config.json) headers.set("content-type", { name: "Content-Type", value: "application/json" });
  if (token) headers.set("authorization", { name: "Authorization", value: `Bearer ${token}` });
  return request(config, config.method, config.url, [...headers.values()], config.body);
}

/** The request for an access token: client credentials in the Authorization header. */
export function tokenRequest(config) {
  const { tokenUrl, clientId, clientSecret, scopes } = config.oauth2;
  const scope = scopes.length > 0 ? `&scope=${encodeURIComponent(scopes.join(" "))}` : "";
  const credentials = base64(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`);
  const headers = [
    { name: "Content-Type", value: "application/x-www-form-urlencoded" },
    { name: "Authorization", value: `Basic ${credentials}` },
  ];
  return request(config, "POST", tokenUrl, headers, `grant_type=client_credentials${scope}`);
}

function request(config, method, url, headers, body) {
  return { method, url, headers, body: encode(body), timeout: config.timeout, skipTlsVerify: config.insecure };
}

/** The access token in an answer of the token server. */
export function accessToken(response) {
  if (!isSuccess(response)) throw unavailable(`oauth2: cannot fetch token: ${response.status}`);
  let token;
  try {
    token = JSON.parse(decode(response.body)).access_token;
  } catch {
    // Told below, together with an answer without token.
  }
  if (typeof token !== "string" || token === "") throw unavailable("oauth2: server response missing access_token");
  return token;
}

/** What was measured: its text and what the metric's conditions see. */
export function measured(config, response) {
  if (!isSuccess(response)) throw unavailable(`received non 2xx response code: ${response.status}`);
  const body = decode(response.body);
  let data;
  try {
    data = JSON.parse(body);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw { tag: "internal", val: `the answer cannot be read: ${error.message}` };
    return { value: body, sample: { tag: "text", val: body } };
  }
  let results;
  try {
    results = config.find(data);
  } catch (error) {
    throw { tag: "internal", val: `Could not find JSONPath in body: ${error.message}` };
  }
  const found = results.find((list) => list.length > 0);
  if (found === undefined) throw { tag: "internal", val: "result of web metric produced no value" };
  const value = goJson(found[0]);
  return { value, sample: { tag: "json", val: value } };
}

const isSuccess = (response) => response.status >= 200 && response.status < 300;

/** JSON as Go writes it: keys sorted, characters that mean something in HTML escaped. */
function goJson(value) {
  const sorted = (_, inner) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.keys(inner).sort().map((key) => [key, inner[key]]))
      : inner;
  const plain = typeof value === "bigint" ? Number(value) : value;
  return JSON.stringify(plain, sorted).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** UTF-8 of a text. */
export function encode(text) {
  return Uint8Array.from([...unescape(encodeURIComponent(text))].map((c) => c.charCodeAt(0)));
}

/** Text of UTF-8; what is no UTF-8 becomes U+FFFD. */
export function decode(bytes) {
  let out = "";
  const list = Uint8Array.from(bytes);
  for (let i = 0; i < list.length; ) {
    const first = list[i++];
    if (first < 0x80) {
      out += String.fromCharCode(first);
      continue;
    }
    const more = first >= 0xc2 && first < 0xe0 ? 1 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xf0 && first < 0xf5 ? 3 : 0;
    const rest = list.subarray(i, i + more);
    let code = more === 0 ? 0xfffd : first & (0x3f >> more);
    if (rest.length < more || rest.some((byte) => (byte & 0xc0) !== 0x80)) code = 0xfffd;
    else {
      for (const byte of rest) code = (code << 6) | (byte & 0x3f);
      i += more;
    }
    const wrong = code > 0x10ffff || (code >= 0xd800 && code < 0xe000) || (more === 2 && code < 0x800) || (more === 3 && code < 0x10000);
    out += String.fromCodePoint(wrong ? 0xfffd : code);
  }
  return out;
}

function base64(text) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const bytes = encode(text);
  let out = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const group = (bytes[i] << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    const length = Math.min(3, bytes.length - i);
    for (let j = 0; j < 4; j++) out += j <= length ? letters[(group >> (18 - 6 * j)) & 63] : "=";
  }
  return out;
}

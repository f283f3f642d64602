import assert from "node:assert/strict";
import { test } from "node:test";
import { accessToken, decode, encode, measured, measurementRequest, readConfig, tokenRequest } from "../provider.js";

const config = (fields) => readConfig(JSON.stringify({ url: "http://svc/x", ...fields }));
const response = (body, status = 200) => ({ status, headers: [], body: encode(body) });

for (const [name, fields, message] of [
  ["no url", { url: "" }, "url is missing"],
  ["both bodies", { method: "POST", body: "x", jsonBody: {} }, "use either Body or JSONBody; both cannot exists for WebMetric payload"],
  ["a body with GET", { body: "x" }, "Body/JSONBody can only be used with POST or PUT WebMetric Method types"],
  ["another method", { method: "DELETE" }, 'method: "DELETE" is not one of GET, POST, PUT'],
  ["a bad path", { jsonPath: "{.a[" }, "jsonPath: unterminated array"],
  ["half an oauth2", { authentication: { oauth2: { tokenUrl: "http://t" } } }, "missing mandatory parameter in metric for OAuth2 setup"],
]) {
  test(`refuses ${name}`, () =>
    assert.throws(() => config(fields), (error) => error.tag === "invalid-config" && error.val === message));
}

test("a JSON body sets its content type over the headers", () => {
  const request = measurementRequest(config({ method: "PUT", jsonBody: { a: 1 }, headers: [{ key: "content-type", value: "x" }] }));
  assert.deepEqual(request.headers, [{ name: "Content-Type", value: "application/json" }]);
  assert.equal(decode(request.body), '{"a":1}');
  assert.equal(request.timeout, 10_000);
});

test("a token is asked for with the client's credentials", () => {
  const oauth2 = { tokenUrl: "http://t/token", clientId: "me", clientSecret: "s&c", scopes: ["a", "b"] };
  const parsed = config({ authentication: { oauth2 } });
  const request = tokenRequest(parsed);
  assert.equal(request.headers[1].value, `Basic ${btoa("me:s%26c")}`);
  assert.equal(decode(request.body), "grant_type=client_credentials&scope=a%20b");
  const token = accessToken(response('{"access_token":"t"}'));
  assert.deepEqual(measurementRequest(parsed, token).headers, [{ name: "Authorization", value: "Bearer t" }]);
});

for (const [name, fields, body, expected] of [
  ["the whole answer", {}, '{"b":1,"a":"<x>"}', '{"a":"\\u003cx\\u003e","b":1}'],
  ["a value", { jsonPath: "{$.a[0]}" }, '{"a":[0.5]}', "0.5"],
  ["a text", { jsonPath: "{$.a}" }, '{"a":"ok"}', '"ok"'],
]) {
  test(`measures ${name}`, () =>
    assert.deepEqual(measured(config(fields), response(body)), { value: expected, sample: { tag: "json", val: expected } }));
}

test("an answer that is no JSON is the text itself", () => {
  assert.deepEqual(measured(config({ jsonPath: "{$.a}" }), response("It worked!")), {
    value: "It worked!",
    sample: { tag: "text", val: "It worked!" },
  });
});

for (const [name, fields, answer, tag, message] of [
  ["another status", {}, response("", 302), "unavailable", "received non 2xx response code: 302"],
  ["a path without match", { jsonPath: "{$.b}" }, response('{"a":1}'), "internal", "Could not find JSONPath in body: b is not found"],
  ["an empty match", { jsonPath: "{$.a[*]}" }, response('{"a":[]}'), "internal", "result of web metric produced no value"],
]) {
  test(`answers an error for ${name}`, () =>
    assert.throws(
      () => measured(config(fields), answer),
      (error) => error.tag === tag && (error.val.message ?? error.val) === message,
    ));
}

test("UTF-8 goes both ways, and what is none is replaced", () => {
  for (const text of ["", "héllo", "日本", "😀"]) assert.equal(decode(encode(text)), text);
  assert.equal(decode([0xff, 0x41, 0xc0, 0x80]), "\ufffdA\ufffd\ufffd");
});

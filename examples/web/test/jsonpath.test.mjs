import assert from "node:assert/strict";
import { test } from "node:test";
import { compile } from "../jsonpath.js";

const data = {
  kind: "List",
  items: [
    { name: "a", n: 1.5, ok: true, labels: { "app.kubernetes.io/name": "web" } },
    { name: "b", n: 2.5, ok: false },
  ],
  nothing: null,
};

for (const [path, expected] of [
  ["{$}", [[data]]],
  ["{.kind}", [["List"]]],
  ["{$.kind}", [["List"]]],
  ["kind is {.kind}", [["kind is "], ["List"]]],
  ["{.items[0].name}", [["a"]]],
  ["{.items[-1].name}", [["b"]]],
  ["{.items[*].name}", [["a", "b"]]],
  ["{.items[0:2].n}", [[1.5, 2.5]]],
  ["{.items[::2].name}", [["a"]]],
  ["{.items[0,1].name}", [["a", "b"]]],
  ["{.items[0]['name','n']}", [["a", 1.5]]],
  ["{.items[?(@.ok==true)].name}", [["a"]]],
  ['{.items[?(@.name=="b")].n}', [[2.5]]],
  ["{.items[?(@.n>2.0)].name}", [["b"]]],
  ["{.items[?(@.labels)].name}", [["a"]]],
  ["{.items[0].labels.app\\.kubernetes\\.io/name}", [["web"]]],
  ["{..name}", [["a", "b"]]],
  ["{range .items[*]}{.name}{end}", [["a"], ["b"]]],
  ["{'text'}", [["text"]]],
  ["{1}", [[1n]]],
]) {
  test(`finds ${path}`, () => assert.deepEqual(compile(path)(data), expected));
}

for (const [path, message] of [
  ["{.missing}", "missing is not found"],
  ["{.items[2]}", "array index out of bounds: index 2, length 2"],
  ["{.kind[0]}", "string is not array or slice"],
  ["{.items[?(@.n>2)].name}", "incompatible types for comparison"],
  ["{.items", "unclosed action"],
  ["{.items[0}", "unterminated array"],
  ["{.items[x]}", "invalid array index x"],
  ["{.items[?(@.a==1]}", "unterminated filter"],
  ["{'x}", "unterminated quoted string"],
  ["{....a}", "invalid multiple recursive descent"],
  ["{nope}", "unrecognized identifier nope"],
  ["{end}", "not in range, nothing to end"],
  ["{#}", "unrecognized character in action: U+0023 '#'"],
  ["x".repeat(5000), "a JSONPath has at most 4096 characters"],
]) {
  test(`refuses ${path.slice(0, 30)}`, () => assert.throws(() => compile(path)(data), { message }));
}

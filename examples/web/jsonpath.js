// Kubernetes' JSONPath templates (not RFC 9535): `{$.items[0].value}`, `{.a['b.c']}`, `{..name}`, `{.a[?(@.ok==true)]}`,
// `{range .items[*]}{.name}{end}`. Meaning and messages are those of the Kubernetes client library, so that a path that
// works in Argo Rollouts works here.
//
// A whole number written in a path is a BigInt here: Kubernetes refuses to compare it with a number out of JSON, which
// is always a floating-point number (write `1.0` in the path).

const MAX_PATH = 4096;
const TERMINATORS = new Set(["", " ", "\t", "\r", "\n", ".", ",", "[", "]", "$", "@", "{", "}"]);
const OPERATORS = new Set(["==", "!=", "<", "<=", ">", ">="]);
const isLetterOrDigit = (c) => c !== "" && /^[\p{L}\p{Nd}_]$/u.test(c);

/** Parses a template and answers a function from data to the list of result lists. Throws an Error with the reason. */
export function compile(template) {
  if (template.length > MAX_PATH) throw new Error(`a JSONPath has at most ${MAX_PATH} characters`);
  const nodes = parse(template);
  return (data) => new Evaluation().find(nodes, data);
}

// --- parsing: a template is a list of texts and of lists of nodes (one for each `{...}`) ---

function parse(input) {
  const root = [];
  let at = 0;
  while (at < input.length) {
    const open = input.indexOf("{", at);
    if (open < 0) {
      root.push(text(input.slice(at)));
      break;
    }
    if (open > at) root.push(text(input.slice(at, open)));
    const action = new Action(input, open + 1);
    root.push({ type: "list", nodes: action.parse() });
    at = action.at;
  }
  return root;
}

const text = (value) => ({ type: "text", value });

class Action {
  constructor(input, at) {
    this.input = input;
    this.at = at;
    this.nodes = [];
  }

  next() {
    if (this.at >= this.input.length) return "";
    const c = String.fromCodePoint(this.input.codePointAt(this.at));
    this.at += c.length;
    return c;
  }

  peek() {
    const at = this.at;
    const c = this.next();
    this.at = at;
    return c;
  }

  /** Up to and with the closing brace. */
  parse() {
    for (;;) {
      const rest = this.input.slice(this.at, this.at + 3);
      if (rest.startsWith("}")) {
        this.at += 1;
        return this.nodes;
      }
      if (rest === "[?(") this.filter();
      else if (rest.startsWith("..")) this.recursive();
      else this.node();
    }
  }

  node() {
    const start = this.at;
    const c = this.next();
    if (c === "" || c === "\r" || c === "\n") throw new Error("unclosed action");
    if (c === " " || c === "@" || c === "$") return;
    if (c === "[") return this.array();
    if (c === '"' || c === "'") return this.quote(c);
    if (c === ".") return this.field();
    this.at = start;
    if (c === "+" || c === "-" || /^\p{Nd}$/u.test(c)) return this.number();
    if (isLetterOrDigit(c)) return this.identifier();
    const code = c.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    throw new Error(`unrecognized character in action: U+${code} '${c}'`);
  }

  field() {
    const start = this.at;
    for (;;) {
      const before = this.at;
      const c = this.next();
      if (c === "\\") this.next();
      else if (TERMINATORS.has(c)) {
        this.at = before;
        break;
      }
    }
    const name = this.input.slice(start, this.at);
    this.nodes.push(name === "*" ? { type: "wildcard" } : { type: "field", name: name.replaceAll("\\", "") });
  }

  identifier() {
    const start = this.at;
    while (!TERMINATORS.has(this.peek())) this.next();
    const name = this.input.slice(start, this.at);
    const constant = name === "true" || name === "false";
    this.nodes.push(constant ? { type: "constant", value: name === "true" } : { type: "identifier", name });
  }

  number() {
    const start = this.at;
    if ("+-".includes(this.peek())) this.next();
    while (/^[.\p{Nd}]$/u.test(this.peek())) this.next();
    const digits = this.input.slice(start, this.at);
    if (/^[+-]?\d+$/.test(digits)) this.nodes.push({ type: "constant", value: BigInt(digits.replace("+", "")) });
    else if (/^[+-]?(\d+\.\d*|\.\d+)$/.test(digits)) this.nodes.push({ type: "constant", value: Number(digits) });
    else throw new Error(`cannot parse number ${digits}`);
  }

  quote(end) {
    const start = this.at - 1;
    for (;;) {
      const c = this.next();
      if (c === "" || c === "\n") throw new Error("unterminated quoted string");
      if (c === end && this.input[this.at - 2] !== "\\") break;
    }
    this.nodes.push(text(unquote(this.input.slice(start, this.at))));
  }

  recursive() {
    if (this.nodes.at(-1)?.type === "recursive") throw new Error("invalid multiple recursive descent");
    this.at += 2;
    this.nodes.push({ type: "recursive" });
    if (isLetterOrDigit(this.peek())) this.field();
  }

  array() {
    const start = this.at;
    for (let c = this.next(); c !== "]"; c = this.next()) {
      if (c === "" || c === "\n") throw new Error("unterminated array");
    }
    let inside = this.input.slice(start, this.at - 1);
    if (inside === "*") inside = ":";
    const parts = inside.split(",");
    if (parts.length > 1) {
      const lists = parts.map((part) => single(`[${part.replace(/^ +| +$/g, "")}]`));
      this.nodes.push({ type: "union", lists });
      return;
    }
    const key = /^'([^']*)'$/.exec(inside);
    if (key) {
      this.nodes.push(...single(`.${key[1]}`));
      return;
    }
    const slice = /^(-?\d*)(:-?\d*)?(:-?\d*)?$/.exec(inside);
    if (!slice) throw new Error(`invalid array index ${inside}`);
    const index = (digits) => {
      if (!/^-?\d+$/.test(digits)) throw new Error(`array index ${digits} is not a number`);
      return Number(digits);
    };
    const part = (found) => (found === undefined || found === ":" ? undefined : index(found.slice(1)));
    const from = slice[1] === "" ? undefined : index(slice[1]);
    const derived = slice[2] === undefined;
    const to = derived ? (from ?? 0) + 1 : part(slice[2]);
    this.nodes.push({ type: "array", from, to, derived, step: part(slice[3]) });
  }

  filter() {
    this.at += 3;
    const start = this.at;
    let quote = "";
    let closed = false;
    for (;;) {
      const c = this.next();
      if (c === "" || c === "\n") throw new Error("unterminated filter");
      if (c === '"' || c === "'") {
        if (quote === "") quote = c;
        else if (this.input[this.at - 2] !== "\\" && c === quote) closed = true;
      } else if (c === ")" && (quote !== "") === closed) break;
    }
    const inside = this.input.slice(start, this.at - 1);
    if (this.next() !== "]") throw new Error("unclosed array expect ]");
    const parts = /^([^!<>=]+)([!<>=]+)(.+?)$/.exec(inside);
    if (parts) this.nodes.push({ type: "filter", left: single(parts[1]), operator: parts[2], right: single(parts[3]) });
    else this.nodes.push({ type: "filter", left: single(inside), operator: "exists", right: [] });
  }
}

/** The nodes of the first action; what follows a brace within it has to be right, too. */
function single(inside) {
  return parse(`{${inside}}`)[0].nodes;
}

function unquote(quoted) {
  const inside = quoted.slice(1, -1);
  if (!inside.includes("\\")) return inside;
  const simple = { a: "\x07", b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v", "\\": "\\", [quoted[0]]: quoted[0] };
  return inside.replace(/\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-7]{3}|[^])/g, (_, escape) => {
    if (escape in simple) return simple[escape];
    if (/^[xuU]./.test(escape)) return String.fromCodePoint(parseInt(escape.slice(1), 16));
    if (/^[0-7]{3}$/.test(escape)) return String.fromCodePoint(parseInt(escape, 8));
    throw new Error(`unquote string ${quoted} error invalid syntax`);
  });
}

// --- evaluation ---

class Evaluation {
  constructor() {
    this.begun = 0; // `range` seen and not yet entered
    this.inside = 0; // ranges that are open
    this.ended = 0; // `end` seen and not yet left
    this.lastEnd = undefined;
  }

  find(nodes, data) {
    const all = [];
    for (let i = 0; i < nodes.length; i++) {
      const results = this.walk([data], nodes[i]);
      if (this.ended > 0 && this.ended <= this.inside) {
        this.ended--;
        this.lastEnd = nodes[i];
        break;
      }
      if (this.begun > 0) {
        this.begun--;
        this.inside++;
        const rest = nodes.slice(i + 1);
        if (results.length > 0) for (const value of results) all.push(...this.find(rest, value));
        else this.find(rest, undefined); // finds where the range ends
        this.inside--;
        const end = nodes.indexOf(this.lastEnd, i + 1);
        if (end >= 0) i = end;
        continue;
      }
      all.push(results);
    }
    return all;
  }

  list(values, nodes) {
    return nodes.reduce((current, node) => this.walk(current, node), values);
  }

  walk(values, node) {
    switch (node.type) {
      case "list":
        return this.list(values, node.nodes);
      case "text":
        return [node.value];
      case "constant":
        return values.map(() => node.value);
      case "identifier":
        return this.identifier(values, node);
      case "field":
        return field(values, node);
      case "array":
        return values.filter(isSomething).flatMap((value) => slice(value, node));
      case "wildcard":
        return values.filter(isSomething).flatMap(children);
      case "recursive":
        return descend(values);
      case "union":
        return node.lists.flatMap((nodes) => this.list(values, nodes));
      case "filter":
        return values.flatMap((value) => this.filter(value, node));
    }
    throw new Error(`unexpected node ${node.type}`);
  }

  identifier(values, node) {
    if (node.name === "range") {
      this.begun++;
      return values;
    }
    if (node.name !== "end") throw new Error(`unrecognized identifier ${node.name}`);
    if (this.inside === 0) throw new Error("not in range, nothing to end");
    this.ended++;
    return [];
  }

  filter(value, node) {
    if (!Array.isArray(value)) throw new Error(`${print(value)} is not array or slice and cannot be filtered`);
    return value.filter((element) => {
      if (node.operator === "exists") {
        try {
          return this.list([element], node.left).length > 0;
        } catch {
          return false;
        }
      }
      const left = this.one(element, node.left);
      if (left.length === 0) return false;
      const right = this.one(element, node.right);
      return right.length > 0 && compare(left[0], node.operator, right[0]);
    });
  }

  one(element, nodes) {
    const found = this.list([element], nodes);
    if (found.length > 1) throw new Error("can only compare one element at a time");
    return found;
  }
}

const isSomething = (value) => value !== null && value !== undefined;
const isMap = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

function children(value) {
  if (Array.isArray(value)) return value;
  if (typeof value === "string") return bytes(value);
  return isMap(value) ? Object.values(value) : [];
}

/** What a text is made of in Go. */
function bytes(text) {
  const encoded = encodeURIComponent(text.replace(/[\ud800-\udfff]/gu, "\ufffd"));
  return (encoded.match(/%..|./g) ?? []).map((c) => (c.length === 3 ? parseInt(c.slice(1), 16) : c.charCodeAt(0)));
}

function field(values, node) {
  if (values.length === 0) return [];
  const found = values.filter((value) => isMap(value) && Object.hasOwn(value, node.name)).map((value) => value[node.name]);
  if (found.length === 0) throw new Error(`${node.name} is not found`);
  return found;
}

function slice(value, node) {
  if (!Array.isArray(value)) throw new Error(`${typeName(value)} is not array or slice`);
  const length = value.length;
  let from = node.from ?? 0;
  if (from < 0) from += length;
  let to = node.to ?? length;
  if (to < 0 || (to === 0 && node.derived)) to += length;
  if (to === from) return [];
  const outOfBounds = (index) => new Error(`array index out of bounds: index ${index}, length ${length}`);
  if (from >= length || from < 0) throw outOfBounds(from);
  if (to > length || to < 0) throw outOfBounds(to - 1);
  if (from > to) throw new Error(`starting index ${from} is greater than ending index ${to}`);
  if (node.step !== undefined && node.step <= 0) throw new Error("step must be > 0");
  return value.slice(from, to).filter((_, index) => index % (node.step ?? 1) === 0);
}

const typeName = (value) =>
  ({ string: "string", number: "float64", bigint: "int", boolean: "bool" })[typeof value] ?? "map[string]interface {}";

function descend(values) {
  return values.filter(isSomething).flatMap((value) => {
    // Go goes down into texts, too, and finds nothing but the text itself.
    if (typeof value === "string") return value === "" ? [] : [value];
    const below = children(value);
    return below.length === 0 ? [] : [value, ...descend(below)];
  });
}

function compare(left, operator, right) {
  if (!OPERATORS.has(operator)) throw new Error(`unrecognized filter operator ${operator}`);
  const basic = ["string", "number", "bigint", "boolean"];
  if (!basic.includes(typeof left) || !basic.includes(typeof right)) throw new Error("invalid type for comparison");
  if (typeof left !== typeof right) throw new Error("incompatible types for comparison");
  if (typeof left === "boolean" && operator !== "==" && operator !== "!=") throw new Error("invalid type for comparison");
  switch (operator) {
    case "==":
      return left === right;
    case "!=":
      return left !== right;
    case "<":
      return left < right;
    case "<=":
      return left <= right;
    case ">":
      return left > right;
    default:
      return left >= right;
  }
}

/** A value as Go prints it. */
function print(value) {
  if (value === null || value === undefined) return "<nil>";
  if (Array.isArray(value)) return `[${value.map(print).join(" ")}]`;
  if (typeof value === "object") {
    const names = Object.keys(value).sort();
    return `map[${names.map((name) => `${name}:${print(value[name])}`).join(" ")}]`;
  }
  if (typeof value !== "number") return String(value);
  const [digits, exponent] = value.toExponential().split("e");
  if (value === 0 || (Number(exponent) >= -4 && Number(exponent) < 6)) return String(value);
  return `${digits}e${exponent[0]}${exponent.slice(1).padStart(2, "0")}`;
}

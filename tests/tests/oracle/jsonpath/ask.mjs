// Answers what the web plugin's JSONPath makes of {"path", "data"}, one JSON text a line in and out.
import { createInterface } from "node:readline";

const { compile } = await import(process.argv[2]);
// A whole number that a path itself writes is a result, too.
const plain = (_, value) => (typeof value === "bigint" ? Number(value) : value);
for await (const line of createInterface({ input: process.stdin })) {
  const { path, data } = JSON.parse(line);
  let answer;
  try {
    answer = { ok: compile(path)(data) };
  } catch (error) {
    answer = { error: error.message };
  }
  console.log(JSON.stringify(answer, plain));
}

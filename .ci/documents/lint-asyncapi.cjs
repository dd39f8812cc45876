// Parses an AsyncAPI document with the parser of its makers, and fails on what that calls an error or a warning.
const { Parser, fromFile } = require("@asyncapi/parser");

// The newest version of AsyncAPI is not asked for: linters know 3.0 better.
const FINE = ["asyncapi-latest-version"];

const main = async (path) => {
  const { document, diagnostics } = await fromFile(new Parser(), path).parse();
  const problems = diagnostics.filter(({ code }) => !FINE.includes(code));
  for (const { code, path: place, message } of problems) console.error(`${path}: ${place.join(".")}: ${message} (${code})`);
  if (!document || problems.length) process.exit(1);
  console.log(`${path}: ${document.allMessages().length} messages, ${document.allOperations().length} operations`);
};

main(process.argv[2]);

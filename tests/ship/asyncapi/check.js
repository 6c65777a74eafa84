// Parses an AsyncAPI document, Avro included; prints how much it holds, or what is wrong with it.
import { Parser, fromFile } from "@asyncapi/parser";
import { AvroSchemaParser } from "@asyncapi/avro-schema-parser";

const ERROR = 0; // of severities; higher ones are advice

const parser = new Parser();
parser.registerSchemaParser(AvroSchemaParser());
const { document, diagnostics } = await fromFile(parser, process.argv[2]).parse();
for (const each of diagnostics.filter((each) => each.severity === ERROR)) {
  console.log(`${each.path.join("/")}: ${each.message}`);
}
if (document === undefined) {
  process.exit(1);
}
console.log(
  JSON.stringify({
    channels: document.channels().length,
    operations: document.operations().length,
    messages: document.messages().length,
  }),
);

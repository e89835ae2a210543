/* openapi.mjs - is the document on standard input one of OpenAPI? What is wrong with it, as JSON: an empty list is good. */
import {createRequire} from "node:module";
import {readFileSync} from "node:fs";
import {pathToFileURL} from "node:url";

const need = createRequire(process.env.ADIT_NODE_MODULES + "/");
const {Validator} = await import(pathToFileURL(need.resolve("@seriousme/openapi-schema-validator")));
const validator = new Validator();
const said = await validator.validate(JSON.parse(readFileSync(0, "utf8")));
const wrong = said.valid ? [] : [].concat(said.errors);
if (said.valid)
  try { validator.resolveRefs(); } catch (e) { wrong.push(e.message); }
process.stdout.write(JSON.stringify(wrong) + "\n");

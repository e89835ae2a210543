/*
 * browser.mjs CHROMIUM - one headless Chromium, led by harness/browser.py. A line of JSON comes in,
 *     {"open": {context options}}                                  -> a new page's number
 *     {"page": N, "at": [[method, ...], ...], "do": [method, ...]}   that method of what `at` leads to from the page
 *     {"page": N, "context": true, "at": [], "do": [method, ...]}    that method of the page's context
 *     {"page": N, "cdp": [method, parameters]}                       a command of the DevTools protocol
 *     {"page": N, "axe": true}                                       what axe-core finds wrong
 *     {"page": N, "seen": true}                                      what it said, asked for and was sent so far
 *     {"page": N, "shut": true}
 * and a line goes out: {"value": ...} or {"error": text}.
 */
import {createRequire} from "node:module";
import {readFileSync} from "node:fs";
import {createInterface} from "node:readline";

const need = createRequire(process.env.ADIT_NODE_MODULES + "/");
const axe = readFileSync(need.resolve("axe-core/axe.min.js"), "utf8");
const QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const {chromium} = need("playwright-core");
const browser = await chromium.launch({executablePath: process.argv[2], args: QUIET});
const pages = [];

async function open(options) {
  const context = await browser.newContext(options), page = await context.newPage();
  const seen = {console: [], errors: [], dialogs: 0, requests: [], answers: []};
  page.setDefaultTimeout(20000);
  page.on("console", m => seen.console.push(m.type() + ": " + m.text()));
  page.on("pageerror", e => seen.errors.push(e.message));
  page.on("dialog", d => { seen.dialogs++; d.dismiss(); });
  page.on("request", r => seen.requests.push(r.allHeaders().then(h => [r.method(), r.url(), h], () => null)));
  page.on("response", r => seen.answers.push(r.allHeaders().then(h => [r.status(), r.url(), h], () => null)));
  return pages.push({context, page, seen, cdp: await context.newCDPSession(page)}) - 1;
}

const settled = async list => (await Promise.all(list)).filter(Boolean);

async function wrong({cdp}) {
  const ask = async expression => (await cdp.send("Runtime.evaluate",
    {expression, awaitPromise: true, returnByValue: true, allowUnsafeEvalBlockedByCSP: true})).result.value;
  await ask(axe + ";0");
  return ask("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html + ': ' + n.failureSummary)]))");
}

async function obey(order) {
  if (order.open) return open(order.open);
  const p = pages[order.page];
  if (order.cdp) return p.cdp.send(...order.cdp);
  if (order.axe) return wrong(p);
  if (order.shut) return p.context.close();
  if (order.seen) return {...p.seen, requests: await settled(p.seen.requests), answers: await settled(p.seen.answers),
    cookies: await p.context.cookies()};
  let at = order.context ? p.context : p.page;
  for (const [method, ...words] of order.at) at = at[method](...words);
  const [method, ...words] = order.do, value = await at[method](...words);
  return ["string", "number", "boolean"].includes(typeof value) || Array.isArray(value) ? value : value?.constructor === Object ? value : null;
}

for await (const line of createInterface({input: process.stdin})) {
  let answer;
  try { answer = {value: await obey(JSON.parse(line)) ?? null}; } catch (e) { answer = {error: e.message}; }
  process.stdout.write(JSON.stringify(answer) + "\n");
}
await browser.close();

// mcp_client.mjs PARAMETERS - drives `adit mcp` by the client library of the Model Context Protocol as a program would:
// tests/e2e/test_mcp.py runs it. PARAMETERS is JSON: {command, args, env, version, host, port, other} - the server's
// command, the protocol version to ask for, the only target that is allowed, and a port there that is not.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import net from "node:net";

const require = createRequire(process.env.ADIT_NODE_MODULES + "/");
const { Client } = require("@modelcontextprotocol/sdk/client/index.js");
const { StdioClientTransport } = require("@modelcontextprotocol/sdk/client/stdio.js");

const p = JSON.parse(process.argv[2]);

// Asks for p.version instead of the library's newest one, and keeps what was agreed.
class Transport extends StdioClientTransport {
    send(message) {
        if (message.method === "initialize")
            message.params.protocolVersion = p.version;
        return super.send(message);
    }

    setProtocolVersion(version) {
        this.version = version;
    }
}

const transport = new Transport({ command: p.command, args: p.args, env: p.env, stderr: "inherit" });
const client = new Client({ name: "test", version: "1" });

async function call(name, args = {}) {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, JSON.stringify(result));
    assert.deepEqual(JSON.parse(result.content[0].text), result.structuredContent);
    return result.structuredContent;
}

async function refusal(name, args, kind, text) {
    const result = await client.callTool({ name, arguments: args });
    assert.equal(result.isError, true);
    assert.equal(result.structuredContent.error.kind, kind, JSON.stringify(result));
    assert.match(result.content[0].text, text);
}

async function echo(port) {
    const socket = net.connect(port, "127.0.0.1");
    socket.write("ping");
    const [bytes] = await once(socket, "data");
    socket.destroy();
    assert.equal(bytes.toString(), "ping");
}

await client.connect(transport);
assert.equal(transport.version, p.version);
assert.equal(client.getServerVersion().name, "adit");
assert.ok(client.getServerCapabilities().tools);
await client.ping();

const { tools } = await client.listTools();
assert.deepEqual(tools.map((t) => [t.name.replace("ssh_tunnel_", ""), t.annotations.readOnlyHint]),
    [["list", true], ["status", true], ["wait", true], ["create", false], ["close", false]]);

const wish = { server: "box", type: "local", localPort: 0, remoteHost: p.host, remotePort: p.port };
const web = await call("ssh_tunnel_create", { ...wish, name: "web", ttl: 1000 });
assert.equal(web.state, "active");
const left_s = (Date.parse(web.expires) - Date.now()) / 1000;
assert.ok(left_s <= 60, `--max-ttl cuts it: ${left_s}`);
await echo(web.config.localPort);
assert.equal((await call("ssh_tunnel_status", { tunnel_id: web.id })).stats.connectionsTotal, 1);
assert.equal((await call("ssh_tunnel_wait", { tunnel_id: "web", timeout: 5 })).id, web.id);
assert.deepEqual((await call("ssh_tunnel_list", { server: "box" })).tunnels.map((t) => t.id), [web.id]);

// Two at a time, one of which is refused.
const [socks] = await Promise.all([
    call("ssh_tunnel_create", { server: "box", type: "dynamic", localPort: 0, ttl: 1 }),
    refusal("ssh_tunnel_create", { ...wish, remotePort: p.other }, "forwarding",
        new RegExp(`^destination not allowed: ${p.host}:${p.other} \\(start adit mcp with --allow `)),
]);
await refusal("ssh_tunnel_create", { ...wish, server: "elsewhere" }, "forwarding", /^server not allowed: elsewhere /);
await refusal("ssh_tunnel_create", { ...wish, type: "tun" }, "unsupported", /^Invalid tunnel type: tun$/);
await refusal("ssh_tunnel_create", { ...wish, type: "remote", localPort: p.other, remotePort: 0 }, "forwarding",
    /--allow-local/);
await refusal("ssh_tunnel_status", { tunnel_id: "none" }, "unsupported", /^Tunnel none not found$/);
await refusal("ssh_tunnel_close", {}, "unsupported", /^either tunnel_id or server is required$/);
await assert.rejects(client.callTool({ name: "ls", arguments: {} }), { code: -32602 });
await assert.rejects(client.readResource({ uri: "file:///etc/passwd" }));

// The ttl's end.
while ((await call("ssh_tunnel_list")).tunnels.some((t) => t.id === socks.id))
    await new Promise((done) => setTimeout(done, 50));
await refusal("ssh_tunnel_status", { tunnel_id: socks.id }, "unsupported", /not found$/);

assert.deepEqual(await call("ssh_tunnel_close", { tunnel_id: web.id }), { closed: 1, ids: [web.id] });
await assert.rejects(echo(web.config.localPort), { code: "ECONNREFUSED" });
assert.deepEqual(await call("ssh_tunnel_list"), { count: 0, tunnels: [] });
await client.close();
console.log("all of it");

/** How netctl fails: texts, exit codes, and what is not asked of the server then. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { commandHelp } from '../../../lib/cli/netctl/core/help.ts';
import { commandTable } from '../../../lib/cli/netctl/core/table.ts';
import { version } from '../../../lib/version.ts';
import { run } from '../terminal.ts';
import { playServer, Status, type PlayedServer } from './played-server.ts';

const answers = {
  'GET /api/v1/tenants/': '<html>',
  'GET /api/v1/networks/': '{"a":',
  'GET /api/v1/policys/': { a: 1 },
  'GET /api/v1/tenants/gone/': new Status(404, 'tenant not found\n'),
  'GET /api/v1/inspect/tenants/lines/': new Status(500, 'one "line"\nand <another>\n'),
  'DELETE /api/v1/tenants/gone/': new Status(404, 'tenant not found\n'),
  'POST /api/v1/tenants/blue/': new Status(503, ''),
  'POST /api/v1/tenants/red/': new Status(403, ''),
  'POST /api/v1/tenants/cyan/': new Status(
    409,
    'Cant change tenant parameters after its created\n',
  ),
  'GET /api/v1/inspect/tenants/wrong/': { Config: { tenantName: 5 } },
};

let server: PlayedServer;
let home: string;
beforeAll(async () => {
  server = await playServer(answers);
  home = mkdtempSync(join(tmpdir(), 'netctl-'));
});
afterAll(async () => {
  await server.close();
  rmSync(home, { recursive: true });
});
let before = 0;
beforeEach(() => {
  before = server.asked.length;
});

const line = (message: string) => `time="TIME" level=error msg=${message}\n`;
const timeless = (text: string) => text.replaceAll(/time="[0-9T:+Z-]{20,25}"/g, 'time="TIME"');
const helpOf = (path: string) => {
  const [family, name] = path.split(' ');
  const row = commandTable.find((each) => each.family === family && each.name === name);
  return row === undefined ? expect.fail(path) : commandHelp(row, `netctl ${path}`);
};

test.each([
  ['tenant create', 'tenant create', '"Tenant name required"'],
  ['tenant create a b', 'tenant create', '"Tenant name required"'],
  ['tenant ls a', 'tenant ls', '"More arguments than required"'],
  ['net create net1', 'network create', '"Subnet is required"'],
  [
    'net create -s 10.1.1.0/24 -g 10.1.1 net1',
    'network create',
    '"Invalid gateway - Enter in A.B.C.D format"',
  ],
  ['net create -s 10.1.1.0/24 --g6 fd00 net1', 'network create', '"Invalid IPv6 gateway "'],
  ['net rm', 'network rm', '"Network name required"'],
  ['group create net1', 'group create', '"Network and group name required"'],
  ['group rm', 'group rm', '"EndpointGroup name required"'],
  ['ep inspect', 'endpoint inspect', '"Endpoint name required"'],
  ['netprofile create', 'netprofile create', '"Net profile name required"'],
  ['policy rm', 'policy rm', '"Policy name required"'],
  ['policy rule-add web', 'policy rule-add', '"Policy name and Rule ID required"'],
  ['bgp create', 'bgp create', '"Host name required"'],
  ['bgp create h', 'bgp create', '"Wrong CIDR format. Enter in x.x.x.x/len format"'],
  [
    'bgp create --router-ip 1.1.1.1/24 h',
    'bgp create',
    '"Wrong IP format. Enter in x.x.x.x format"',
  ],
  ['bgp create --router-ip 1.1.1.1/24 --neighbor 1.1.1.2 h', 'bgp create', '"Missing attributes"'],
  ['app-profile rm', 'app-profile rm', '"Profile name required"'],
  ['service inspect', 'service inspect', '"Service group name required"'],
  ['external-contracts rm', 'external-contracts rm', '"Contracts group name required"'],
])('%s: a line, help and exit code 1', async (words, page, message) => {
  const { exitCode, out, error } = await server.netctl(words);
  expect({ exitCode, out, error: timeless(error) }).toEqual({
    exitCode: 1,
    out: helpOf(page),
    error: line(message),
  });
  expect(server.asked).toHaveLength(before);
});

test.each([
  ['policy rule-add -d both web 1', 'Unknown direction'],
  ['policy rule-add -e app web 1', 'Cant specify to-group for incoming rule'],
  ['policy rule-add -o net web 1', 'Cant specify to-network for incoming rule'],
  [
    'policy rule-add -g app -n net web 1',
    "Can't specify both from-group argument and -from-network ",
  ],
  ['policy rule-add -d out -g app web 1', 'Cant specify from-group for outgoing rule'],
  ['policy rule-add -d out -n net web 1', 'Cant specify from-network for outgoing rule'],
  ['policy rule-add -d out -i 1.1.1.1 web 1', 'Cant specify from-ip-address for outgoing rule'],
  ['policy rule-add -d out -e app -o net web 1', "Can't specify both -to-group and -to-network"],
  ['external-contracts create ext', 'Either provided or consumed must be specified'],
  ['external-contracts create -c -p ext', 'Cannot use both provided and consumed'],
  ['external-contracts create -c ext', 'Contracts not provided'],
])('%s: a line and exit code 1', async (words, message) => {
  const { exitCode, out, error } = await server.netctl(words);
  expect({ exitCode, out, error: timeless(error) }).toEqual({
    exitCode: 1,
    out: '',
    error: line(`"${message}"`),
  });
  expect(server.asked).toHaveLength(before);
});

test.each([
  ['tenant ls -z', 'tenant ls', '"flag provided but not defined: -z"'],
  ['tenant ls -j=2', 'tenant ls', String.raw`"invalid boolean value \"2\" for -j: parse error"`],
  [
    'net create -p ten -s 1.1.1.0/24 n',
    'network create',
    String.raw`"invalid value \"ten\" for flag -p: parse error"`,
  ],
  ['net create -s', 'network create', '"flag needs an argument: -s"'],
])('%s: flags that are none do nothing', async (words, page, message) => {
  const { exitCode, out, error } = await server.netctl(words);
  expect({ exitCode, out, error: timeless(error) }).toEqual({
    exitCode: 1,
    out: `Incorrect Usage.\n\n${helpOf(page)}`,
    error: line(message),
  });
  expect(server.asked).toHaveLength(before);
});

test.each([
  ['tenant inspect lines', String.raw`"one \"line\"\nand <another>\n"`],
  ['net ls -t gone', String.raw`"tenant not found\n"`],
  ['tenant create blue', '"503 Service Unavailable"'],
  ['tenant create red', '"Access denied!"'],
  ['tenant create cyan', String.raw`"Cant change tenant parameters after its created\n"`],
  ['tenant ls', `"invalid character '<' looking for beginning of value"`],
  ['net ls', '"unexpected end of JSON input"'],
  ['policy ls', '"json: policy is an object, not a list"'],
  ['tenant inspect wrong', '"json: tenant.Config.tenantName is a number, not a text"'],
])('%s: what the server says, and exit code 3', async (words, message) => {
  const { exitCode, out, error } = await server.netctl(words);
  expect({ exitCode, out, error: timeless(error) }).toEqual({
    exitCode: 3,
    out: '',
    error: line(message),
  });
});

test('what is said before a removal is said although it fails', async () => {
  const { exitCode, out, error } = await server.netctl('tenant rm gone');
  expect({ exitCode, out, error: timeless(error) }).toEqual({
    exitCode: 3,
    out: 'Deleting tenant gone\n',
    error: line(String.raw`"tenant not found\n"`),
  });
});

describe('words that are none', () => {
  test.each([
    [['foo'], 'foo'],
    [['net', 'foo', '-x'], 'foo'],
    [['help', 'foo'], 'foo'],
    [['net', 'h', 'foo'], 'foo'],
  ])('%j has no help topic, and that is no failure', async (words, topic) => {
    expect(await run(['netctl', ...words])).toMatchObject({
      exitCode: 0,
      out: `No help topic for '${topic}'\n`,
      error: '',
    });
  });

  test('any words end with an exit code of Contiv and no trace', async () => {
    const names = commandTable.flatMap(({ family = '', name }) => [family, name]);
    const word = fc.oneof(
      fc.constantFrom(...names),
      fc.string(),
      fc.constantFrom('-t', '-j', '--'),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(word, { maxLength: 6 }), async (words) => {
        const environment = { HOME: home, NETMASTER: server.url };
        const safe = words.filter((each) => each !== 'login');
        const { exitCode, error } = await run(['netctl', ...safe], { environment });
        expect([0, 1, 2, 3]).toContain(exitCode);
        expect(error).not.toMatch(/INTERNAL|\.ts:/);
      }),
      { numRuns: 200 },
    );
  });
});

describe('help', () => {
  test.each([
    [[], 'netctl'],
    [['-h'], 'netctl'],
    [['help'], 'netctl'],
    [['net'], 'netctl-network'],
    [['network', '--help'], 'netctl-network'],
    [['net', 'help'], 'netctl-network'],
    [['net', 'create', '-h'], 'netctl-network-create'],
    [['net', 'help', 'create'], 'netctl-network-create'],
    [['group', 'create', '--help'], 'netctl-group-create'],
    [['help', 'net'], 'netctl-help-network'],
  ])('netctl %j', async (words, page) => {
    const { exitCode, out, error } = await run(['netctl', ...words]);
    expect({ exitCode, error }).toEqual({ exitCode: 0, error: '' });
    const text = out.replaceAll(version, 'VERSION');
    await expect(text).toMatchFileSnapshot(`../pages/${page}.txt`);
  });

  test('the version of the program', async () => {
    const text = `netctl version \nVersion: ${version}\nGitCommit: \nBuildTime: \n\n`;
    expect(await run(['netctl', '-v'])).toMatchObject({ exitCode: 0, out: text });
    expect(await run(['--version'], { calledAs: ['netctl'] })).toMatchObject({ out: text });
  });
});

describe('the server', () => {
  test('that is not there is exit code 3, for version 2', async () => {
    const environment = { NETMASTER: 'http://127.0.0.1:1', HOME: home };
    const { exitCode, error } = await run(['netctl', 'tenant', 'ls'], { environment });
    expect({ exitCode, error: timeless(error) }).toEqual({
      exitCode: 3,
      error: line(
        '"Get http://127.0.0.1:1/api/v1/tenants/: dial tcp 127.0.0.1:1: connect: connection refused"',
      ),
    });
    expect(await run(['netctl', 'version'], { environment })).toMatchObject({ exitCode: 2 });
  });

  test('that answers no version is exit code 2, another status 3 with its body', async () => {
    const played = await playServer({ 'GET /version': 'x' });
    expect(await played.netctl('version')).toMatchObject({ exitCode: 2, out: '' });
    await played.close();
    const other = await playServer({ 'GET /version': new Status(500, 'no\n') });
    const { exitCode, error } = await other.netctl('version');
    expect({ exitCode, error: timeless(error) }).toEqual({
      exitCode: 3,
      error: `no\n${line('"Status 500 in request response"')}`,
    });
    await other.close();
  });

  test('that has no scheme is a usage error', async () => {
    const { exitCode, out, error } = await run([
      'netctl',
      '--netmaster',
      'host:9999',
      'tenant',
      'ls',
    ]);
    expect({ exitCode, out, error: timeless(error) }).toEqual({
      exitCode: 1,
      out: '',
      error: line('"Error connecting to netmaster"'),
    });
  });

  test('a flag wins over the variable, and a slash at its end does no harm', async () => {
    const { exitCode } = await server.netctl(`--netmaster ${server.url}/ tenant rm x`, {
      NETMASTER: 'http://127.0.0.1:1',
    });
    expect(exitCode).toBe(0);
    expect(server.asked.at(-1)?.line).toBe('DELETE /api/v1/tenants/x/');
  });

  test('is the agent of this host when none is named, and said to be missing when there is none', async () => {
    const socket = join(home, 'api.sock');
    const agent = await playServer({ 'GET /api/v1/tenants/': [{ tenantName: 'default' }] }, socket);
    const environment = { FAIRLEAD_API_SOCKET: socket, HOME: home };
    expect(await run(['netctl', 'tenant', 'ls', '-q'], { environment })).toMatchObject({
      exitCode: 0,
      out: 'default\n',
    });
    const named = await run(['netctl', '--netmaster', agent.url, 'tenant', 'ls', '-q']);
    expect(named).toMatchObject({ exitCode: 0, out: 'default\n' });
    await agent.close();
    const { exitCode, error } = await run(['netctl', 'tenant', 'ls'], { environment });
    expect(exitCode).toBe(3);
    expect(error).toMatch(/^time=.*dial tcp.*\n# no agent answers at .*api\.sock, and neither/);
  });
});

test('on a terminal errors are coloured', async () => {
  const { error } = await run(['netctl', 'tenant', 'create'], { stderrIsTty: true });
  expect(error).toBe(`\u001b[31mERRO\u001b[0m[0000] ${'Tenant name required'.padEnd(44)} \n`);
});

/** `fairlead NOUN VERB`: what is asked of the API, and what is shown. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { yamlDocuments, yamlText } from '../../../lib/cli/objects/yaml.ts';
import { run, type Run } from '../terminal.ts';

const web = {
  key: 'default:web',
  encap: 'vxlan',
  networkName: 'web',
  nwType: 'data',
  subnet: '10.1.1.0/24',
  tenantName: 'default',
  'link-sets': {},
  links: { Tenant: { type: 'tenant', key: 'default' } },
};
const blue = { ...web, key: 'blue:db', networkName: 'db', tenantName: 'blue', gateway: '10.1.1.1' };
const group = { key: 'default:app', tenantName: 'default', groupName: 'app', policies: ['a', 'b'] };

const attached = {
  endpointID: 'e1',
  containerName: '/web-1',
  ipAddress: ['10.1.1.1', ''],
  network: 'web.default',
  homingHost: 'edge-1',
};

let folder: string;
let server: Server;
let asked: string[];
let refusal: { readonly status: number; readonly code: string } | undefined;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'fairlead-objects-'));
  asked = [];
  refusal = undefined;
  server = createServer((incoming, outgoing) => {
    let body = '';
    incoming.on('data', (part: Buffer) => (body += part.toString()));
    incoming.on('end', () => {
      const { method, url = '', headers } = incoming;
      const condition = headers['if-match'] ?? headers['if-none-match'] ?? '';
      asked.push([method, url, condition, body].filter((part) => part !== '').join(' '));
      if (refusal !== undefined && method !== 'GET') {
        const fix = { 'x-fairlead-code': refusal.code, 'x-fairlead-fix': 'do this' };
        outgoing.writeHead(refusal.status, fix).end('it does not work\n');
        return;
      }
      outgoing.setHeader('etag', '"7"');
      outgoing.end(`${JSON.stringify(answerTo(method ?? '', url, body))}\n`);
    });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, 'api.sock'), resolve));
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  rmSync(folder, { recursive: true });
});

function answerTo(method: string, url: string, body: string): unknown {
  if (method === 'DELETE') return 'key';
  if (method === 'PUT') {
    const { spec } = JSON.parse(body) as { readonly spec: object };
    return { outcome: 'created', object: { spec: { ...spec, nwType: 'data' } } };
  }
  if (url.startsWith('/api/v1/inspect/')) {
    return { Config: web, Oper: { pktTag: 5, numEndpoints: 0, endpoints: [attached] } };
  }
  if (url === '/api/v1/endpointGroups/') return [group];
  return /s\/(?:\?.*)?$/.test(url) ? [web, blue] : web;
}

function fairlead(words: string, environment: Record<string, string> = {}): Promise<Run> {
  return run(
    words.split(' ').map((word) => (word === "''" ? '' : word)),
    { environment: { FAIRLEAD_API_SOCKET: join(folder, 'api.sock'), ...environment } },
  );
}

test.each([
  [
    'network ls',
    ['GET /api/v1/networks/'],
    `TENANT   NETWORK  NW TYPE  ENCAP TYPE  PACKET TAG  SUBNET       GATEWAY  IPV6SUBNET  IPV6GATEWAY  CFGD TAG
default  web      data     vxlan       -           10.1.1.0/24  -        -           -            -
`,
  ],
  ['network ls -t blue -o name', ['GET /api/v1/networks/'], 'network/blue:db\n'],
  [
    'network ls --all-tenants -o name',
    ['GET /api/v1/networks/'],
    'network/default:web\nnetwork/blue:db\n',
  ],
  [
    'network ls -l encap=vxlan,name!=a&b -o name',
    ['GET /api/v1/networks/?selector=encap%3Dvxlan%2Cname!%3Da%26b'],
    'network/default:web\n',
  ],
  [
    'group ls -o wide',
    ['GET /api/v1/endpointGroups/'],
    `TENANT NAME  GROUP NAME  NETWORK  IP POOL  POLICIES  EXTERNAL CONTRACTS  NETPROFILE  TAG  SELECTORS  DEFAULT ACTION  ENFORCEMENT
default      app         -        -        a,b       -                   -           -    -          -               -
`,
  ],
  [
    'network get web',
    ['GET /api/v1/inspect/networks/default:web/'],
    `tenant-name     default
network         web
nw-type         data
encap           vxlan
pkt-tag         -
subnet          10.1.1.0/24
gateway         -
ipv6-subnet     -
ipv6-gateway    -
tag             -
host-access     -
default-action  -
enforcement     -
pktTag          5
numEndpoints    0
`,
  ],
  [
    'network create db -t blue --subnet 10.2.0.0/16 --pkt-tag 12 --tag d',
    [
      'PUT /v1/networks/blue/db * {"spec":{"cfgdTag":"d","encap":"vxlan","pktTag":12,"subnet":"10.2.0.0/16"}}',
    ],
    'network/blue:db created\n',
  ],
  [
    'group create app --network web --policies a,b -o name',
    ['PUT /v1/endpointGroups/default/app * {"spec":{"networkName":"web","policies":["a","b"]}}'],
    'group/default:app\n',
  ],
  [
    'rule create web 1 --protocol tcp --port 80',
    [
      'PUT /v1/rules/default/web/1 * {"spec":{"action":"allow","direction":"in","port":80,"protocol":"tcp"}}',
    ],
    'rule/default:web:1 created\n',
  ],
  [
    "network set web --gateway 10.1.1.1 --encap ''",
    [
      'GET /api/v1/networks/default:web/',
      'PUT /v1/networks/default/web "7" {"spec":{"encap":"","gateway":"10.1.1.1","nwType":"data","subnet":"10.1.1.0/24"}}',
    ],
    'network/default:web changed\n',
  ],
  [
    "group set web --selectors '' --tag ''",
    [
      'GET /api/v1/endpointGroups/default:web/',
      'PUT /v1/endpointGroups/default/web "7" {"spec":{"cfgdTag":"","networkName":"web","selectors":[]}}',
    ],
    'group/default:web changed\n',
  ],
  ['service rm a:b', ['DELETE /api/v1/serviceLBs/default:a%3Ab/'], 'service/default:a:b removed\n'],
  ['tenant rm blue', ['DELETE /api/v1/tenants/blue/'], 'tenant/blue removed\n'],
  [
    'network create db --subnet 10.2.0.0/16 --dry-run -o yaml',
    ['PUT /v1/networks/default/db?dryRun=true * {"spec":{"encap":"vxlan","subnet":"10.2.0.0/16"}}'],
    `schemaVersion: 1
kind: network
items:
  - key: "default:db"
    encap: vxlan
    networkName: db
    nwType: data
    subnet: "10.2.0.0/16"
    tenantName: default
`,
  ],
  [
    'rule rm p 1 -t blue --dry-run',
    ['DELETE /v1/rules/blue/p/1?dryRun=true'],
    'rule/blue:p:1 removed (dry run)\n',
  ],
  [
    'endpoint ls',
    ['GET /api/v1/networks/', 'GET /api/v1/inspect/networks/default:web/'],
    `CONTAINER  NETWORK      GROUP  ADDRESSES  HOST
/web-1     web.default  -      10.1.1.1   edge-1
`,
  ],
  [
    'endpoint ls --all-tenants -o name',
    [
      'GET /api/v1/networks/',
      'GET /api/v1/inspect/networks/default:web/',
      'GET /api/v1/inspect/networks/blue:db/',
    ],
    'endpoint/e1\nendpoint/e1\n',
  ],
  [
    'global set --vlan-range 100-200 -o name',
    ['GET /api/v1/globals/global/', 'PUT /v1/globals/global "7" {"spec":{"vlans":"100-200"}}'],
    'global/global\n',
  ],
  ['aci-gw rm', ['DELETE /api/v1/aciGws/aciGw/'], 'aci-gw/aciGw removed\n'],
  [
    'app-profile create shop -t blue --groups app,db',
    ['PUT /v1/appProfiles/blue/shop * {"spec":{"endpointGroups":["app","db"]}}'],
    'app-profile/blue:shop created\n',
  ],
])('fairlead %s', async (words, requests, out) => {
  expect(await fairlead(words)).toMatchObject({ exitCode: 0, error: '', out });
  expect(asked).toEqual(requests);
});

test('JSON has the objects of the API and a version', async () => {
  const { out } = await fairlead('network ls -o json');
  expect(JSON.parse(out)).toEqual({ schemaVersion: 1, kind: 'network', items: [web] });
  const got = await fairlead('endpoint get abc -o json');
  expect(JSON.parse(got.out)).toMatchObject({ schemaVersion: 1, kind: 'endpoint', Config: web });
  expect(asked.at(-1)).toBe('GET /api/v1/inspect/endpoints/abc/');
});

test('the tenant comes from a variable, a field never does', async () => {
  const { out } = await fairlead('network ls -o name', { FAIRLEAD_TENANT: 'blue' });
  expect(out).toBe('network/blue:db\n');
  await fairlead('network create x --subnet 10.2.0.0/16', { FAIRLEAD_GATEWAY: '10.2.0.1' });
  expect(asked.at(-1)).not.toContain('10.2.0.1');
});

test.each([
  ['network create db --pkt-tag x', 2, '--pkt-tag "x" (USAGE): must be a whole number'],
  ["network create ''", 2, 'NAME is empty (USAGE): give a name'],
  ['netwrk ls', 2, "unknown command 'netwrk' (USAGE): did you mean network? see fairlead --help"],
  [
    'network list',
    2,
    "unknown command 'list' (USAGE): did you mean ls? see fairlead network --help",
  ],
])('fairlead %s is refused before anything is asked', async (words, exitCode, message) => {
  expect(await fairlead(words)).toMatchObject({ exitCode, out: '', error: `error: ${message}\n` });
  expect(asked).toEqual([]);
});

test('what the API refuses is shown with its code, its fix and its exit code', async () => {
  refusal = { status: 409, code: 'NETWORK_EXISTS' };
  expect(await fairlead('network rm web')).toMatchObject({
    exitCode: 3,
    error: 'error: it does not work (NETWORK_EXISTS): do this\n',
  });
});

test('YAML is what a reader of JSON reads, where nothing needs more than quotes', () => {
  expect(yamlText({ a: [], b: {}, c: [{ d: 1, e: ['x'] }], f: 'yes', g: '', h: null })).toBe(
    'a: []\nb: {}\nc:\n  - d: 1\n    e:\n      - x\nf: "yes"\ng: ""\nh: null\n',
  );
  // texts and numbers, one a line: what is behind the colon is JSON or a plain word
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer())), (object) => {
      const lines = yamlText(object).trimEnd().split('\n');
      if (Object.keys(object).length === 0) {
        expect(lines).toEqual(['{}']);
        return;
      }
      const read = (text: string): unknown => (/^[A-Za-z]/.test(text) ? text : JSON.parse(text));
      const entries = lines.map((line) => {
        const [, name = '', value = ''] = /^("(?:[^"\\]|\\.)*"|[^":]+): (.*)$/u.exec(line) ?? [];
        return [String(read(name)), read(value)] as const;
      });
      expect(Object.fromEntries(entries)).toEqual(object);
    }),
  );
});

test('a YAML library reads what is written', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      // JSON has no -0, and a document in which nothing is is none
      const plain: unknown = JSON.parse(JSON.stringify(value));
      expect(yamlDocuments(yamlText(plain), 'it')).toEqual(plain === null ? [] : [plain]);
    }),
  );
});

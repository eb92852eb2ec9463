import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { agentOptionTable, type AgentOptions } from '../../lib/cli/agent-options.ts';
import { environmentName } from '../../lib/cli/option.ts';
import { parseCidr } from '../../lib/ip/ip.ts';
import { run } from './terminal.ts';

const long = `/${'a'.repeat(106)}`;

interface Row {
  readonly flag: string;
  readonly byDefault: unknown;
  /** Texts that are taken, and what they become. */
  readonly good: readonly (readonly [string, unknown])[];
  readonly bad: readonly string[];
  /** What it cannot be given without. */
  readonly beside?: readonly string[];
}

const badPaths = ['', 'relative', './x', '/a\0b', '/a\nb', '~/x'];
const badSockets = [...badPaths, `${long}a`, `/${'é'.repeat(54)}`];
const badUrls = ['', '/var/run/x.sock', 'unix:', 'unix:x', 'tcp://127.0.0.1:6640', `unix:${long}a`];

const badNics = [
  ...['', 'eth1,', ',eth1', 'eth1,,eth2', 'eth1 ', 'eth1, eth2', 'eth1,eth1', 'lo'],
  ...['.', '..', 'a/b', 'a:1', 'eth%d', 'a\tb', '1234567890123456', 'é234567890123456', 'a\0'],
  'a,b,c,d,e,f,g,h,i',
];

// a file that is named must be there
const configPath = join(mkdtempSync(join(tmpdir(), 'agent-options-test-')), 'config.yaml');
writeFileSync(configPath, '');
afterAll(() => rmSync(dirname(configPath), { recursive: true }));

const rows: { readonly [Name in keyof AgentOptions]-?: Row } = {
  config: {
    flag: 'config',
    byDefault: '/etc/fairlead/config.yaml',
    good: [[configPath, configPath]],
    bad: ['', 'relative', '/a\tb'],
  },
  dataDir: {
    flag: 'data-dir',
    byDefault: '/var/lib/fairlead',
    good: [
      ['/srv/state', '/srv/state'],
      ['/srv//state/', '/srv/state'],
      ['/srv/with space', '/srv/with space'],
    ],
    bad: badPaths,
  },
  runDir: {
    flag: 'run-dir',
    byDefault: '/run/fairlead',
    good: [['/run/x', '/run/x']],
    bad: badPaths,
  },
  hostName: {
    flag: 'name',
    byDefault: 'edge-1',
    good: [
      ['a', 'a'],
      ['Node_7.site', 'Node_7.site'],
    ],
    bad: ['', '-a', '.a', 'a b', 'a/b', 'ä', 'a'.repeat(65), '(none)'],
  },
  store: {
    flag: 'store',
    byDefault: { engine: 'embedded' },
    good: [
      ['embedded', { engine: 'embedded' }],
      [
        'etcd://10.0.0.1:2379,[fd00::2]:4001/site',
        {
          engine: 'etcd',
          endpoints: [
            { host: '10.0.0.1', port: 2379 },
            { host: 'fd00::2', port: 4001 },
          ],
          prefix: '/site/',
        },
      ],
    ],
    bad: ['', 'etcd', 'etcd://', 'consul://x:8500', 'etcd://x:0', 'http://10.0.0.1:2379'],
  },
  etcdEndpoints: {
    flag: 'etcd-endpoints',
    byDefault: undefined,
    good: [
      [
        'http://10.0.0.1:2379,http://10.0.0.2:2379',
        {
          engine: 'etcd',
          endpoints: [
            { host: '10.0.0.1', port: 2379 },
            { host: '10.0.0.2', port: 2379 },
          ],
          prefix: '/fairlead/',
        },
      ],
    ],
    bad: ['', '10.0.0.1:2379', 'http://', 'http://a:2379,https://b:2379', 'http://a:2379/v2'],
  },
  pluginName: {
    flag: 'plugin-name',
    byDefault: 'fairlead',
    good: [
      ['net', 'net'],
      ['fairlead:latest', 'fairlead:latest'],
      ['127.0.0.1:5000/site/fairlead:1.0', '127.0.0.1:5000/site/fairlead:1.0'],
    ],
    bad: ['', 'Net', '../net', 'net/', '/net', 'a b', 'net:', '-net', 'a'.repeat(256)],
  },
  pluginSocket: {
    flag: 'plugin-socket',
    byDefault: '/run/docker/plugins/fairlead.sock',
    good: [[long, long]],
    bad: badSockets,
  },
  pluginScope: {
    flag: 'plugin-scope',
    byDefault: 'local',
    good: [['global', 'global']],
    bad: ['', 'swarm', 'Local'],
  },
  managedSocket: {
    flag: 'managed-socket',
    byDefault: undefined,
    good: [['/x.sock', '/x.sock']],
    bad: badSockets,
  },
  apiSocket: {
    flag: 'api-socket',
    byDefault: '/run/fairlead/api.sock',
    good: [['/x.sock', '/x.sock']],
    bad: badSockets,
  },
  apiListen: {
    flag: 'api-listen',
    byDefault: undefined,
    beside: ['--api-insecure', 'anywhere'],
    good: [
      ['127.0.0.1:9999', { host: '127.0.0.1', port: 9999 }],
      ['[::]:443', { host: '::', port: 443 }],
    ],
    bad: [
      '',
      '9999',
      ':9999',
      '127.0.0.1',
      '127.0.0.1:0',
      '127.0.0.1:65536',
      '::1:9999',
      '1.2.3:9',
    ],
  },
  apiCertificate: {
    flag: 'api-cert',
    byDefault: undefined,
    beside: ['--api-listen', '[::]:443', '--api-key', '/k', '--api-token-file', '/t'],
    good: [['/etc/c.pem', '/etc/c.pem']],
    bad: badPaths,
  },
  apiKey: {
    flag: 'api-key',
    byDefault: undefined,
    beside: ['--api-listen', '[::]:443', '--api-cert', '/c', '--api-token-file', '/t'],
    good: [['/etc/k.pem', '/etc/k.pem']],
    bad: badPaths,
  },
  apiTokenFile: {
    flag: 'api-token-file',
    byDefault: undefined,
    beside: ['--api-listen', '[::]:443', '--api-cert', '/c', '--api-key', '/k'],
    good: [['/etc/token', '/etc/token']],
    bad: badPaths,
  },
  apiInsecure: {
    flag: 'api-insecure',
    byDefault: undefined,
    beside: ['--api-listen', '127.0.0.1:9999'],
    good: [
      ['loopback', 'loopback'],
      ['anywhere', 'anywhere'],
    ],
    bad: ['', 'true', 'localhost'],
  },
  ovsDbSocket: {
    flag: 'ovs-db',
    byDefault: '/var/run/openvswitch/db.sock',
    good: [['unix:/x/db.sock', '/x/db.sock']],
    bad: badUrls,
  },
  dockerSocket: {
    flag: 'docker-host',
    byDefault: '/var/run/docker.sock',
    good: [
      ['unix:/x/docker.sock', '/x/docker.sock'],
      ['unix:///x/docker.sock', '/x/docker.sock'],
    ],
    bad: badUrls,
  },
  discoveryFile: {
    flag: 'discovery-file',
    byDefault: undefined,
    good: [
      ['/etc/docker/plugins/fairlead.spec', '/etc/docker/plugins/fairlead.spec'],
      ['/usr/lib/docker/plugins/fairlead.json', '/usr/lib/docker/plugins/fairlead.json'],
    ],
    bad: [
      ...badPaths,
      '/etc/docker/plugins/fairlead',
      '/etc/docker/plugins/other.spec',
      '/x/.spec',
    ],
  },
  datapath: {
    flag: 'datapath',
    byDefault: 'auto',
    good: [
      ['system', 'system'],
      ['netdev', 'netdev'],
    ],
    bad: ['', 'Auto', 'dpdk', 'auto '],
  },
  logLevel: {
    flag: 'log-level',
    byDefault: 'info',
    good: [
      ['trace', 'trace'],
      ['fatal', 'fatal'],
    ],
    bad: ['', 'verbose', '30'],
  },
  logFormat: {
    flag: 'log-format',
    byDefault: 'json',
    good: [['pretty', 'pretty']],
    bad: ['', 'text'],
  },
  syslog: {
    flag: 'syslog',
    byDefault: undefined,
    good: [
      ['udp://127.0.0.1:514', { transport: 'udp', host: '127.0.0.1', port: 514 }],
      ['udp://logs.example', { transport: 'udp', host: 'logs.example', port: 514 }],
      ['tcp://[2001:db8::1]:601/', { transport: 'tcp', host: '2001:db8::1', port: 601 }],
      ['unix:/dev/log', { transport: 'unix', path: '/dev/log' }],
      ['unix:///dev/log', { transport: 'unix', path: '/dev/log' }],
    ],
    bad: [
      '',
      'syslog',
      'udp://',
      'udp://a:0',
      'udp://a:65536',
      'tls://a',
      'unix:dev/log',
      'udp://a/b',
    ],
  },
  ipv4Pools: {
    flag: 'ipv4-pools',
    byDefault: [{ base: parseCidr('10.64.0.0/12'), size: 24 }],
    good: [
      [
        '10.128.0.0/10:24,192.0.2.0/24:24',
        [
          { base: parseCidr('10.128.0.0/10'), size: 24 },
          { base: parseCidr('192.0.2.0/24'), size: 24 },
        ],
      ],
    ],
    bad: [
      '',
      '10.128.0.0/10',
      '10.128.0.0/10:9',
      '10.128.0.0/10:32',
      '10.128.0.0/10:024',
      '10.128.0.0/10:24x',
      '10.128.0.1/10:24',
      '010.0.0.0/8:24',
      '10.0.0.0/8:24,',
      '10.0.0.0/8:24,10.1.0.0/16:24',
      '224.0.0.0/8:24',
      'fd00::/40:64',
      Array.from({ length: 17 }, (_, i) => `10.${i}.0.0/16:24`).join(','),
    ],
  },
  ipv6Pools: {
    flag: 'ipv6-pools',
    byDefault: [{ base: parseCidr('fdfa:1ead:d0c::/48'), size: 64 }],
    good: [['fd00:fa1e::/40:64', [{ base: parseCidr('fd00:fa1e::/40'), size: 64 }]]],
    bad: [
      '',
      'fd00::/40',
      'fd00::/40:128',
      'fd00::/40:39',
      'fe80::/64:64',
      '10.0.0.0/8:24',
      'fd00::1/40:64',
    ],
  },
  linkMtu: {
    flag: 'mtu',
    byDefault: 1500,
    good: [
      ['68', 68],
      ['9000', 9000],
      ['65535', 65535],
    ],
    bad: ['', '67', '65536', '1500x', ' 1500', '+1500', '1.5e3', '0x5dc', '01500', '-1', 'NaN'],
  },
  vtepAddress: {
    flag: 'vtep-ip',
    byDefault: undefined,
    good: [
      ['192.0.2.7', '192.0.2.7'],
      ['2001:DB8::0:7', '2001:db8::7'],
    ],
    bad: ['', '192.0.2', '192.0.2.7/24', 'host', '2001:db8::7%eth0', '[2001:db8::7]'],
  },
  vxlanPort: {
    flag: 'vxlan-port',
    byDefault: 4789,
    good: [
      ['1', 1],
      ['65535', 65535],
    ],
    bad: ['', '0', '65536', 'vxlan', '+1'],
  },
  uplinks: {
    flag: 'uplinks',
    byDefault: undefined,
    good: [
      ['eth1', ['eth1']],
      ['enp3s0f0,enp3s0f1.7', ['enp3s0f0', 'enp3s0f1.7']],
      ['é23456789012345'.slice(0, 14), ['é2345678901234']],
      ['a,b,c,d,e,f,g,h', ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']],
    ],
    bad: badNics,
  },
  vlanUplinks: {
    flag: 'vlan-uplinks',
    byDefault: undefined,
    good: [['ul0,ul1', ['ul0', 'ul1']]],
    bad: badNics,
  },
  hostBlock: {
    flag: 'host-block',
    byDefault: parseCidr('169.254.64.0/18'),
    good: [
      ['none', 'none'],
      ['100.64.0.0/10', parseCidr('100.64.0.0/10')],
      ['10.1.64.0/18', parseCidr('10.1.64.0/18')],
    ],
    bad: [
      '',
      'no',
      '10.1.64.0',
      '10.1.64.0/19',
      '10.0.0.0/7',
      '10.1.0.0/14',
      '127.0.0.0/8',
      'fd00::/64',
    ],
  },
  hostBlock6: {
    flag: 'host-block6',
    byDefault: parseCidr('fdfa:1ead:d0d::/64'),
    good: [
      ['none', 'none'],
      ['fd00:1::/114', parseCidr('fd00:1::/114')],
    ],
    bad: ['', 'fd00:1::/115', 'fe80::/64', 'ff00::/64', 'fd00:1::1/64', '10.1.64.0/18'],
  },
  nameDomain: {
    flag: 'name-domain',
    byDefault: 'fairlead',
    good: [
      ['none', 'none'],
      ['C.Example.com', 'c.example.com'],
    ],
    bad: ['', '.', 'a.', 'a..b', 'a_b', '-a', 'arpa', 'in-addr.arpa', 'ä', 'a'.repeat(64)],
  },
};

test('every option of the table is covered here, under its documented flag', () => {
  const flagsOf = (table: Readonly<Record<string, { readonly flag: string }>>) =>
    Object.fromEntries(Object.entries(table).map(([name, { flag }]) => [name, flag]));
  expect(flagsOf(rows)).toEqual(flagsOf(agentOptionTable));
});

describe.each(Object.entries(rows))('%s', (name, row) => {
  const valueOf = (options: AgentOptions | undefined): unknown =>
    options?.[name as keyof AgentOptions];
  const variable = environmentName(row.flag);
  const beside = row.beside ?? [];

  test('has its default', async () => {
    const { agent, exitCode } = await run(['agent']);
    expect(exitCode).toBe(0);
    expect(valueOf(agent)).toEqual(row.byDefault);
  });

  test.each(row.good)('takes %j by flag and by environment', async (text, value) => {
    const given = [
      await run(['agent', ...beside, `--${row.flag}`, text]),
      await run(['agent', ...beside, `--${row.flag}=${text}`]),
      await run(['agent', ...beside], { environment: { [variable]: text } }),
    ];
    for (const { agent } of given) expect(valueOf(agent)).toEqual(value);
  });

  test('the flag wins over the environment', async () => {
    const [text, value] = row.good[0] ?? ['', undefined];
    const environment = { [variable]: row.bad[1] ?? '' };
    const { agent } = await run(['agent', ...beside, `--${row.flag}`, text], { environment });
    expect(valueOf(agent)).toEqual(value);
  });

  test('an empty variable counts as not set', async () => {
    const { agent } = await run(['agent'], { environment: { [variable]: '' } });
    expect(valueOf(agent)).toEqual(row.byDefault);
  });

  test.each(row.bad)(
    'refuses %j with one line and exit code 2, and starts nothing',
    async (text) => {
      const byFlag = await run(['agent', `--${row.flag}=${text}`]);
      expect(byFlag).toMatchObject({ exitCode: 2, out: '', agent: undefined });
      expect(byFlag.error).toMatch(
        new RegExp(`^error: --${row.flag} ".*" \\(USAGE\\): must be .+\\n$`),
      );
      if (text === '') return;
      const byVariable = await run(['agent'], { environment: { [variable]: text } });
      expect(byVariable).toMatchObject({ exitCode: 2, out: '', agent: undefined });
      expect(byVariable.error).toMatch(/^error: .+ \(USAGE\): must be .+\n$/);
    },
  );
});

test('defaults follow the options they are made from', async () => {
  const { agent } = await run(['agent', '--run-dir', '/x/', '--plugin-name', 'site/net:1.0']);
  expect(agent).toMatchObject({
    apiSocket: '/x/api.sock',
    pluginSocket: '/run/docker/plugins/net.sock',
  });
});

test('a default that cannot be used names the option to give', async () => {
  const nameless = await run(['agent'], { hostName: '(none)' });
  expect(nameless.error).toMatch(/^error: default of --name "\(none\)" \(USAGE\): must be letters/);
  const deep = await run(['agent', '--run-dir', `/${'r'.repeat(100)}`]);
  expect(deep.error).toMatch(/^error: default of --api-socket .* at most 107 bytes\n$/);
});

test('endpoints as Contiv wrote them name the store, unless it is named already', async () => {
  const endpoints = 'http://10.0.0.1:2379';
  const { agent } = await run(['agent', '--etcd-endpoints', endpoints]);
  expect(agent?.store).toMatchObject({ engine: 'etcd', prefix: '/fairlead/' });
  const both = await run(['agent', '--etcd-endpoints', endpoints, '--store', 'etcd://x:2379']);
  expect([both.exitCode, both.error]).toEqual([
    2,
    'error: --store and --etcd-endpoints both name an etcd (USAGE): must be one of them\n',
  ]);
});

test('uplinks as Contiv named them are uplinks, unless both are said', async () => {
  expect((await run(['agent', '--vlan-uplinks', 'ul0,ul1'])).agent?.uplinks).toEqual([
    'ul0',
    'ul1',
  ]);
  const both = await run(['agent', '--uplinks', 'eth1', '--vlan-uplinks', 'eth2']);
  expect([both.exitCode, both.error]).toEqual([
    2,
    'error: --uplinks and --vlan-uplinks both name NICs (USAGE): must be one of them\n',
  ]);
});

test.each([
  [
    '--api-insecure loopback',
    'options for --api-listen without it (USAGE): add --api-listen HOST:PORT',
  ],
  ['--api-cert /c', 'options for --api-listen without it (USAGE): add --api-listen HOST:PORT'],
  [
    '--api-listen [::]:443 --api-cert /c --api-key /k',
    '--api-listen without TLS and token (USAGE): give --api-cert, --api-key and --api-token-file, or --api-insecure loopback',
  ],
  [
    '--api-listen 127.0.0.1:9 --api-insecure loopback --api-token-file /t',
    '--api-insecure with TLS or token (USAGE): must be one of them',
  ],
  [
    '--api-listen 0.0.0.0:9999 --api-insecure loopback',
    '--api-insecure loopback, and --api-listen at 0.0.0.0 (USAGE): listen at 127.0.0.1 or [::1], or say --api-insecure anywhere',
  ],
])('the API by TCP is safe, or said not to be: %s', async (flags, said) => {
  const { exitCode, error } = await run(['agent', ...flags.split(' ')]);
  expect([exitCode, error]).toEqual([2, `error: ${said}\n`]);
});

test.each(['127.0.0.1:9999', '[::1]:9999', 'localhost:9999'])(
  'the API may be plain at %s',
  async (place) => {
    const { agent } = await run(['agent', '--api-listen', place, '--api-insecure', 'loopback']);
    expect(agent?.apiListen?.port).toBe(9_999);
  },
);

test('two faces cannot share a socket', async () => {
  const { error, exitCode } = await run([
    'agent',
    '--plugin-socket',
    '/a.sock',
    '--api-socket',
    '/a.sock',
  ]);
  expect([exitCode, error]).toEqual([
    2,
    'error: --plugin-socket and --api-socket are both /a.sock (USAGE): must be two paths\n',
  ]);
});

test('a discovery file is named as the plugin is', async () => {
  const path = '/etc/docker/plugins/net.json';
  const { agent } = await run(['agent', '--plugin-name', 'net', '--discovery-file', path]);
  expect(agent?.discoveryFile).toBe(path);
  expect((await run(['agent', '--discovery-file', path])).error).toBe(
    'error: --discovery-file "net.json" (USAGE): must be named fairlead.json, as the plugin is\n',
  );
});

test('log lines are for people on a terminal and for programs elsewhere', async () => {
  expect((await run(['agent'], { stdoutIsTty: true })).agent?.logFormat).toBe('pretty');
  expect((await run(['agent'], { stdoutIsTty: false })).agent?.logFormat).toBe('json');
});

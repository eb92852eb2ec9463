/** `fairlead policy explain`: what it asks, prints and exits with. */
import { afterEach, expect, it } from 'vitest';
import type { Explained, ExplainedFamily } from '../../lib/network/objects/explain.ts';
import { apiStandIn } from './api-stand-in.ts';
import { run } from './terminal.ts';

const allowed: ExplainedFamily = {
  family: 4,
  verdict: 'allow',
  out: {
    ...{ container: 'app-1', address: '10.2.2.1', group: '', verdict: 'allow', rule: '' },
    ...{ default: 'nobody', audit: false },
  },
  in: {
    container: 'web-1',
    address: '10.2.2.2',
    group: 'web',
    verdict: 'allow',
    rule: 'base/http',
    default: '',
    audit: false,
  },
};
const denied: ExplainedFamily = {
  family: 6,
  verdict: 'deny',
  out: {
    ...{ container: '', address: 'fd00::1', group: '', verdict: 'allow', rule: '' },
    ...{ default: 'nobody', audit: false },
  },
  in: {
    ...{ container: 'web-1', address: 'fd00::2', group: 'web', verdict: 'deny', rule: 'base/all' },
    ...{ default: '', audit: false },
  },
};

let families: readonly ExplainedFamily[];
let service: Explained['service'];
const api = apiStandIn(() => ({
  ...{ schemaVersion: 1, node: 'edge-1', families },
  ...(service === undefined ? {} : { service }),
}));
afterEach(() => {
  service = undefined;
});
const explain = (...args: string[]) =>
  run(['policy', 'explain', ...args, '--run-dir', api.folder], { environment: {} });

it('says what each end says and by which rule, and exits with 0 when all is allowed', async () => {
  families = [allowed];
  const { out, exitCode } = await explain('app-1', 'web-1', '--proto', 'tcp', '--port', '80');
  expect(api.asked).toEqual([
    'GET /v1/policy/explain?tenant=default&from=app-1&to=web-1&protocol=tcp&port=80',
  ]);
  expect(exitCode).toBe(0);
  expect(out.split('\n').map((line) => line.trimEnd())).toEqual([
    'FAMILY  RULES  OF     ADDRESS   GROUP  SAY    BY',
    'IPv4    out    app-1  10.2.2.1  -      allow  no rule fits',
    'IPv4    in     web-1  10.2.2.2  web    allow  base/http',
    'IPv4: allow',
    '',
  ]);
});

it('says whose default decides, and what is denied and passes', async () => {
  const audited: ExplainedFamily = {
    ...allowed,
    out: { ...allowed.out, verdict: 'deny', default: 'tenant' },
    in: { ...allowed.in, audit: true },
  };
  families = [audited];
  const { out } = await explain('app-1', 'web-1', '--port', '80');
  const [, first, second] = out.split('\n').map((line) => line.trimEnd());
  expect(first).toMatch(/ deny +no rule fits, default of the tenant$/);
  expect(second).toMatch(/ deny, audited +base\/http$/);
});

it('asks what an ICMP message asks', async () => {
  families = [allowed];
  await explain('app-1', 'web-1', '--proto', 'icmp', '--icmp-type', 'timestamp');
  expect(api.asked[0]).toContain('protocol=icmp&port=0&icmpType=timestamp');
  const refused = await explain('app-1', 'web-1', '--proto', 'icmp', '--icmp-type', '8');
  expect(refused.error).toContain('echo, timestamp, information');
});

it('exits with 1 when a family is denied, and says so in JSON, too', async () => {
  families = [allowed, denied];
  const { out, exitCode } = await explain('fd00::1', 'web-1', '--port', '80', '-t', 'blue');
  expect(exitCode).toBe(1);
  expect(out).toContain('IPv6: deny');
  expect(out).toContain('outside');
  expect(api.asked[0]).toContain('tenant=blue');
  const json = await explain('fd00::1', 'web-1', '--port', '80', '-o', 'json');
  expect(json.exitCode).toBe(1);
  expect(JSON.parse(json.out)).toMatchObject({ families: [allowed, denied] });
});

it('says of a service where it leads to, and exits with 1 when nobody is reached by it', async () => {
  const containers = [
    { container: 'web-1', address: '10.2.2.2' },
    { container: 'web-2', address: '10.2.2.3' },
  ];
  families = [{ ...allowed, behind: { port: 8080, containers } }];
  const address = { family: 4, address: '10.2.2.200', outcome: 'judged', reason: '' } as const;
  service = { name: 'front', addresses: [address] };
  const reached = await explain('app-1', 'front', '--port', '80');
  expect(reached.exitCode).toBe(0);
  expect(reached.out.split('\n').map((line) => line.trimEnd())).toEqual([
    'FAMILY  RULES  OF                ADDRESS   GROUP  SAY    BY',
    'IPv4    out    app-1             10.2.2.1  -      allow  no rule fits',
    'IPv4    in     web-1 and 1 more  10.2.2.2  web    allow  base/http',
    'IPv4: allow, front leads to port 8080 of web-1 (10.2.2.2), web-2 (10.2.2.3)',
    '',
  ]);
  families = [];
  const why = { outcome: 'unreachable', reason: 'it has no such port' } as const;
  service = { name: 'front', addresses: [{ ...address, ...why }] };
  const closed = await explain('app-1', '10.2.2.200', '--port', '81');
  expect(closed.exitCode).toBe(1);
  expect(closed.out).toBe('IPv4: unreachable, front (10.2.2.200): it has no such port\n');
  service = { name: 'front', addresses: [{ ...address, outcome: 'answered' }] };
  const pinged = await explain('app-1', 'front', '--proto', 'icmp');
  expect(pinged.exitCode).toBe(0);
  expect(pinged.out).toContain("answered, front (10.2.2.200): the client's own host answers pings");
});

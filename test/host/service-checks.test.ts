/** Questions to containers by way of a switch, their answers, and what the other hosts are told of it. */
import { afterEach, expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import type { Change, OpenFlowState, SwitchNews } from '../../lib/datapath/openflow/connection.ts';
import { readCheckAnswer } from '../../lib/datapath/pipeline/check-frames.ts';
import { cookieOf } from '../../lib/datapath/pipeline/fields.ts';
import {
  addressesOf,
  carriedIn,
  framed,
  segmentOf,
} from '../../lib/datapath/pipeline/ip-frames.ts';
import { startCheckLoop } from '../../lib/host/check-loop.ts';
import type { CheckedBackend } from '../../lib/host/data-plane.ts';
import { ServiceChecks } from '../../lib/host/service-checks.ts';
import { parseAddress, parseCidr } from '../../lib/ip/ip.ts';
import { silentLogger } from '../../lib/log.ts';
import { MapStore } from '../support/map-store.ts';
import { sharedAs, SiteHost } from '../support/site-hosts.ts';
import { until } from '../support/until.ts';

const syn = 2;
const reset = 4;
const acknowledge = 16;
const id = 'e'.repeat(64);
const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

/** A switch with one container, which has a port open or closed, or says nothing. */
class OneContainer {
  says: 'open' | 'closed' | 'nothing' = 'open';
  status: OpenFlowState = 'ready';
  asked = 0;
  ended = 0;
  readonly #news = new Set<(news: SwitchNews) => void>();
  readonly #states = new Set<(state: OpenFlowState) => void>();

  readonly state = () => this.status;
  readonly onNews = (listener: (news: SwitchNews) => void) => {
    this.#news.add(listener);
    return () => this.#news.delete(listener);
  };
  readonly onState = (listener: (state: OpenFlowState) => void) => {
    this.#states.add(listener);
    return () => this.#states.delete(listener);
  };

  become(status: OpenFlowState): void {
    this.status = status;
    for (const each of this.#states) each(status);
  }

  readonly apply = async (changes: readonly Change[]) => {
    for (const change of changes) {
      if (change.kind !== 'packetOut') throw new Error(change.kind);
      expect(change.actions).toEqual([{ kind: 'output', port: 100 }]);
      const { transport } = carriedIn(change.data) ?? { transport: new Uint8Array() };
      if (transport[13] === syn) this.#answer(change.data, transport);
      else this.ended += 1;
    }
  };

  #answer(frame: Uint8Array, transport: Uint8Array): void {
    this.asked += 1;
    if (this.says === 'nothing') return;
    const view = new DataView(transport.buffer, transport.byteOffset);
    const segment = segmentOf({
      ports: [view.getUint16(2), view.getUint16(0)],
      numbers: [1, (view.getUint32(4) + 1) >>> 0],
      flags: acknowledge | (this.says === 'open' ? syn : reset),
      options: new Uint8Array(),
      data: new Uint8Array(),
    });
    const { source, target } = addressesOf(frame, 4);
    const macs = Uint8Array.of(...frame.subarray(6, 12), ...frame.subarray(0, 6));
    const ends = { family: 4, source: target, target: source, protocol: 'tcp', segment } as const;
    const data = framed(macs, ends);
    expect(readCheckAnswer(data)).toBeDefined();
    const news = { kind: 'packetIn', cookie: cookieOf('check', 100), match: { inPort: 100 }, data };
    for (const each of this.#news) each(news as unknown as SwitchNews);
  }
}

const checked = (failed: boolean): CheckedBackend => ({
  service: {
    ...{ id: 't:front', segmentId: 's', addresses: [parseAddress('10.1.0.200')] },
    ports: [{ protocol: 'tcp', port: 80, target: 8080 }],
    ...{ earlierPorts: [], affinity: 'connection', backends: [] },
  },
  check: { intervalMs: 60, timeoutMs: 40, failures: 2 },
  backend: {
    ...{ endpointId: id, host: 'a', segmentId: 's', mac: '02:00:00:00:00:01' },
    ...{ ipv4: parseAddress('10.1.0.1'), ipv6: undefined, isReady: true },
    check: failed ? 'failed' : 'passed',
  },
  segment: {
    ...{ id: 's', number: 1, domain: 1, encapsulation: { kind: 'vxlan', vni: 1 } },
    subnets: [{ cidr: parseCidr('10.1.0.0/24'), gateway: parseAddress('10.1.0.254') }],
    ...{ routed: true, neighbours: 'answered', mtu: 1450, outside: false, reached: false },
  },
});

function scene(hasFailed = false) {
  const container = new OneContainer();
  const site = { checked: [checked(hasFailed)], port: 100 as number | undefined };
  function* checkedOf() {
    yield* site.checked;
  }
  const checks = new ServiceChecks({
    connection: container,
    dataPlane: { checked: checkedOf, portOf: () => site.port },
    flows: { settled: async () => undefined },
    clock: systemClock,
    log: silentLogger(),
  });
  endings.push(() => checks.close());
  const failed = () => checks.failed()?.get(id) ?? [];
  const untilFailed = (services: readonly string[]) =>
    until(`fails ${services.join()}`, () => failed().join() === services.join() || undefined);
  /** Two more rounds have begun. */
  const untilAsked = async () => {
    const before = container.asked;
    await until('is asked again', () => container.asked > before + 2 || undefined);
  };
  return { container, site, checks, failed, untilFailed, untilAsked };
}

it('a port is asked again and again, and what it takes for a connection is ended', async () => {
  const { container, checks, untilFailed, untilAsked } = scene();
  expect(checks.failed()).toBeUndefined();
  checks.begin();
  await untilAsked();
  expect(container.ended).toBeGreaterThan(0);
  expect(checks.failed()).toEqual(new Map());
  container.says = 'closed';
  await untilFailed(['front']);
  container.says = 'open';
  await untilFailed([]);
  container.says = 'nothing';
  await untilFailed(['front']);
});

it('without a switch, a port or a service nobody is asked, and nothing changes', async () => {
  const { container, site, checks, failed, untilFailed, untilAsked } = scene(true);
  container.says = 'closed';
  checks.begin();
  await untilFailed(['front']);
  container.says = 'open';
  container.become('connecting');
  const { asked } = container;
  checks.touch();
  await until('it has looked', () => failed().length === 1 || undefined);
  expect(container.asked).toBe(asked);
  container.become('ready');
  await untilFailed([]);
  container.says = 'closed';
  await untilFailed(['front']);
  await untilAsked();
  site.checked = [];
  checks.touch();
  await untilFailed([]);
});

it('what comes of it is in the row of the container, and only there', async () => {
  const whole = new MapStore();
  const host = new SiteHost(whole, 'one');
  const made = await host.createNetwork({
    ...sharedAs('web'),
    id: '1'.repeat(64),
    subnets: ['10.1.0.0/24'],
  });
  const address = await host.requestAddress(made.pools[0]?.poolId ?? '');
  await host.createEndpoint(made.network.id, id, address);
  const key = [...whole.rows.keys()].find((each) => each.startsWith('/endpoint/')) ?? '';
  const container = { id: 'c', name: '/c', labels: {} };
  const row = JSON.parse(whole.rows.get(key)?.value ?? '{}') as object;
  const value = JSON.stringify({ ...row, container });
  await whole.txn({ compare: [], then: [{ op: 'put', key, value }] });
  let failed: ReadonlyMap<string, readonly string[]> | undefined;
  let changed = (): void => undefined;
  const loop = startCheckLoop({
    store: host.store,
    checks: { failed: () => failed, onChange: (listener) => (changed = listener) },
    clock: systemClock,
    log: silentLogger(),
  });
  endings.push(() => loop.close());
  const told = () =>
    (JSON.parse(whole.rows.get(key)?.value ?? '{}') as { container: object }).container;
  await loop.settled(AbortSignal.timeout(20_000));
  expect(told()).toEqual(container);
  failed = new Map([[id, ['back', 'front']]]);
  changed();
  await until('it is told', () => 'failed' in told() || undefined);
  expect(told()).toEqual({ ...container, failed: ['back', 'front'] });
  const { value: written, modRevision } = whole.rows.get(key) ?? {};
  await loop.settled(AbortSignal.timeout(20_000));
  expect(whole.rows.get(key)).toMatchObject({ value: written, modRevision });
  failed = new Map();
  changed();
  await until('it is taken back', () => !('failed' in told()) || undefined);
});

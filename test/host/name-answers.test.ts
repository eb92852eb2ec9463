/** What is sent for packets that ask for names, and when the flows are told to bring them. */
import { expect, it } from 'vitest';
import { systemClock } from '../../lib/clock.ts';
import type { Change, SwitchNews } from '../../lib/datapath/openflow/connection.ts';
import { reservedPort } from '../../lib/datapath/openflow/codec/flow.ts';
import { cookieOf } from '../../lib/datapath/pipeline/fields.ts';
import { letGo, nameLamp } from '../../lib/datapath/pipeline/names.ts';
import { changesFor, startNameAnswers } from '../../lib/host/name-answers.ts';
import { silentLogger } from '../../lib/log.ts';
import { NameView } from '../../lib/network/name-view.ts';
import { SiteView } from '../../lib/network/site-view.ts';
import { queryBytes } from '../names/query-bytes.ts';
import { nameFrame } from '../names/name-frame.ts';
import { hex, row } from '../support/site-row.ts';
import { until } from '../support/until.ts';

const rows = [
  row('/tenant/t', { name: 't', number: 3 }),
  row('/network/t/n', {
    ...{ tenant: 't', name: 'n', number: 9, mode: 'routing' },
    ...{ encapsulation: { kind: 'vxlan', vni: 9 }, subnets: [{ cidr: '10.1.0.0/24' }] },
    ...{ internal: false, outside: true, arp: 'proxy', options: {}, createdBy: 'operator' },
  }),
  row(`/endpoint/t/n/${hex(1)}`, {
    ...{ id: hex(1), host: 'b', mac: '02:00:00:00:00:01', ipv4: '10.1.0.1' },
    dockerNetworkId: hex(0),
    container: { id: hex(2), name: '/web', labels: {} },
  }),
];

function names(): NameView {
  const view = new SiteView('a');
  view.restart(rows);
  const found = new NameView(
    () => view.rows,
    () => 0,
  );
  found.restart(rows);
  return found;
}
const web = queryBytes(['web']);
const other = queryBytes(['example', 'com']);
const streamed = (...messages: readonly Uint8Array[]) =>
  Uint8Array.from(messages.flatMap((one) => [0, one.length, ...one]));
const match = { inPort: 100, reg5: 3, reg1: 9 };
const around = { names: names(), domain: 'fairlead', turn: 0 };
const sent = (data: Uint8Array, where: object = match) => {
  const { changes, isAnswer } = changesFor({ match: where, data }, around);
  const outs = changes.map((change) => {
    if (change.kind !== 'packetOut') throw new Error(change.kind);
    return { ...change, isBack: change.inPort === reservedPort.controller };
  });
  return { outs, isAnswer, text: Buffer.concat(outs.map((out) => out.data)).toString('latin1') };
};
const address = String.fromCharCode(10, 1, 0, 1);

it('a question for a name of ours is answered to who asked, and goes nowhere', () => {
  const { outs, isAnswer, text } = sent(nameFrame({ data: web }));
  expect(isAnswer).toBe(true);
  expect(outs).toHaveLength(1);
  expect(outs[0]).toMatchObject({ isBack: true, actions: [{ kind: 'output', port: 100 }] });
  expect(text).toContain(address);
});

it.each([
  ['for another name', nameFrame({ data: other }), match],
  ['that is none', nameFrame({ data: Uint8Array.of(1, 2, 3) }), match],
  ['in no frame that can be read', new Uint8Array(20), match],
  ['of a tenant that nobody knows', nameFrame({ data: web }), { ...match, reg5: 4 }],
])('a question %s goes on as it was', (_, frame, where) => {
  const { outs, isAnswer } = sent(frame, where);
  expect(isAnswer).toBe(false);
  expect(outs).toEqual([
    { kind: 'packetOut', inPort: 100, actions: letGo, data: frame, isBack: false },
  ]);
});

it('by TCP it is answered, and the server hears that the client has gone', () => {
  const { outs, text } = sent(nameFrame({ protocol: 'tcp', data: streamed(web) }));
  expect(outs.map(({ isBack }) => isBack)).toEqual([true, false]);
  expect(outs[1]?.actions).toEqual(letGo);
  expect(text).toContain(address);
});

it('by TCP another one beside it is refused, and by itself it goes on', () => {
  const both = sent(nameFrame({ protocol: 'tcp', data: streamed(other, web) }));
  expect(both.outs.map(({ isBack }) => isBack)).toEqual([true, false]);
  expect(both.text).toContain(address);
  expect(both.text).toContain('\x85\x82');
  const alone = nameFrame({ protocol: 'tcp', data: streamed(other, other) });
  expect(sent(alone)).toMatchObject({ isAnswer: false, outs: [{ data: alone }] });
});

/** A switch that takes everything. */
function scene(plan: { readonly isWanted: boolean; readonly domain?: string | undefined }) {
  const applied: Change[] = [];
  const listeners = new Set<(news: SwitchNews) => void>();
  const answers = startNameAnswers({
    connection: {
      state: () => 'ready' as const,
      onNews(listener) {
        listeners.add(listener);
        return () => void listeners.delete(listener);
      },
      async apply(changes) {
        applied.push(...changes);
      },
    },
    names: around.names,
    domain: 'domain' in plan ? plan.domain : 'fairlead',
    isWanted: () => plan.isWanted,
    clock: systemClock,
    log: silentLogger(),
  });
  const tell = (cookie: bigint) => {
    const data = nameFrame({ data: web });
    const packet = { kind: 'packetIn', totalBytes: data.length, reason: 1, table: 25 } as const;
    for (const listener of listeners) listener({ ...packet, cookie, match, data });
  };
  return { answers, applied, tell, listeners };
}

it('the flows are told again and again that questions are answered, and at the end that they are not', async () => {
  const { answers, applied, listeners } = scene({ isWanted: true });
  const lamp = { kind: 'flowMod', command: 'add', flow: nameLamp };
  await until('the lamp is lit twice', async () => applied.length > 1 || undefined);
  expect(applied).toEqual(applied.map(() => lamp));
  await answers.close();
  const { table, match: every, priority } = nameLamp;
  const out = {
    kind: 'flowMod',
    command: 'deleteStrict',
    filter: { table, match: every },
    priority,
  };
  expect(applied.at(-1)).toEqual(out);
  expect(listeners.size).toBe(0);
});

it('what the flows bring is answered and counted, and nothing else is', async () => {
  const { answers, applied, tell } = scene({ isWanted: false });
  tell(cookieOf('unreachable'));
  expect(applied).toEqual([]);
  tell(cookieOf('nameQuery'));
  expect(applied).toMatchObject([{ kind: 'packetOut' }]);
  expect(answers.counts).toEqual({ answered: 1, letGo: 0 });
  await answers.close();
  expect(applied.filter((each) => each.kind === 'flowMod' && each.command === 'add')).toEqual([]);
});

it('without a domain nobody is asked', async () => {
  const { answers, applied, listeners } = scene({ isWanted: true, domain: undefined });
  expect(listeners.size).toBe(0);
  await answers.close();
  expect(applied).toEqual([]);
});

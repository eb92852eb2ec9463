/** The traffic tools by themselves, on the plain underlay between two hosts: what they count is what there was. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { LabHost } from '../host.ts';
import { openLab } from '../lab.ts';
import { waitFor } from '../wait.ts';
import { callsPerSecond, makeCalls, takeCalls } from './calls.ts';
import { Capture, captureAll, type Seen } from './capture.ts';
import { countersOf, grownBetween } from './counters.ts';
import * as frames from './frames.ts';
import { Injector } from './inject.ts';
import { linkOf } from './links.ts';
import { lostOf, ping, startPings } from './pings.ts';
import { callTcp, megabitsPerSecond, serveTcp, startTcp } from './tcp.ts';
import { heardFrom, listenUdp, sendUdp, startUdp, type UdpHeard, type UdpSent } from './udp.ts';

const lab = openLab();
let one: LabHost;
let two: LabHost;
const link = 'br-phy';
const [two4, two6] = ['198.18.0.2', 'fd00:198:18::2'];

beforeAll(async () => {
  await lab.up(2, { site: { docker: false, switch: 'bridge' } });
  one = lab.host(1);
  two = lab.host(2);
  // so that no first packet waits for an address
  for (const to of [two4, two6]) await ping(one, { to });
});
afterEach(async () => {
  await lab.site.setCuts([]);
  await lab.site.setLink(two, 'eth0', 'up');
});
afterAll(() => lab.down());

describe.for([
  ['IPv4', two4, 28],
  ['IPv6', two6, 48],
] as const)('%s', ([family, to, headers]) => {
  test.for([0, 1, 1500 - headers, 1501 - headers, 8000])('pings of %i bytes', async (size) => {
    const result = await ping(one, { to, size, count: 4 });
    expect(result).toMatchObject({ sent: 4, received: 4, damaged: 0, duplicates: 0, lost: [] });
    expect(result.ttl).toEqual({ min: 64, max: 64 });
  });

  test('pings end with the last answer that is asked for', async () => {
    const result = await ping(one, { to, count: 1_000, answers: 2 });
    expect(result.received).toBe(2);
    expect(result.sent).toBeLessThan(1_000);
  });

  test('a ping too big for the link is refused when it may not be cut', async () => {
    const size = 1501 - headers;
    const result = await ping(one, { to, size, count: 2, fragments: 'never', waitMs: 100 });
    expect(result.received).toBe(0);
    expect(result.errors).toMatchObject([{ error: 'EMSGSIZE', mtu: 1500, count: 2 }]);
  });

  test('datagrams of all sizes arrive, each once, and come back', async () => {
    const sizes = [1, 15, 16, 17, 1000, 1500 - headers, 1501 - headers, 9000, 65_000];
    const listener = await listenUdp(two, { port: 6000, echo: true });
    // so slow that a busy switch need not drop any of the fragments, also if it stands still for a while
    const pace = { everyMs: 40, waitMs: 3_000 };
    const sent = await sendUdp(one, { to, port: 6000, sizes, count: 5, echo: true, ...pace });
    const each = Object.fromEntries(sizes.map((size) => [size, 5]));
    expect(sent).toMatchObject({ sent: 45, answered: 45, refused: 0, damaged: 0, errors: [] });
    expect(sent.answeredSizes).toEqual(each);
    const from = family === 'IPv4' ? one.address : lab.site.addressesOf(one).ipv6;
    const heard = heardFrom(await listener.stop(), from);
    expect(heard).toMatchObject({ received: 45, damaged: 0, doubled: 0, late: 0, sizes: each });
  });

  test('a port where nobody listens is said to be one', async () => {
    const sent = await sendUdp(one, { to, port: 6009, sizes: [100], waitMs: 2_000 });
    expect(sent.errors).toMatchObject([{ error: 'ECONNREFUSED', from: to, count: 1 }]);
    const { flow } = await callTcp(one, { to, port: 6009 });
    expect(flow.error).toBe('ECONNREFUSED');
  });

  test('calls are counted where they begin and where they come', async () => {
    const taker = await takeCalls(two, { port: 5004 });
    const calls = await makeCalls(one, { to, port: 5004, durationMs: 500, atOnce: 4 });
    expect(calls).toMatchObject({ failed: 0, error: '' });
    expect(calls.made).toBeGreaterThan(10);
    expect(callsPerSecond(calls)).toBeCloseTo((calls.made * 1_000_000) / calls.us);
    expect(calls.medianUs).toBeGreaterThan(0);
    // the last ones may have been given up on
    const { taken } = await taker.stop();
    expect(taken).toBeGreaterThanOrEqual(calls.made);
    expect(taken).toBeLessThanOrEqual(calls.made + 4);
    const refused = await makeCalls(one, { to, port: 5009, durationMs: 50 });
    expect(refused).toMatchObject({ made: 0, error: 'ECONNREFUSED' });
  });

  test('bulk TCP of a number of bytes arrives whole, either way', async () => {
    const bytes = 3_000_000;
    const sink = await serveTcp(two, { port: 5001 });
    const sent = await callTcp(one, { to, port: 5001, bytes });
    expect(sent).toMatchObject({ isConfirmed: true, confirmed: bytes });
    expect(sent.flow.error).toBe('');
    const [served] = (await sink.stop()).connections;
    expect(served).toMatchObject({ received: bytes, damaged: false, isOver: true });
    expect(served?.buckets.reduce((sum, part) => sum + part, 0)).toBe(bytes);
    const source = await serveTcp(two, { port: 5001, mode: 'source' });
    const { flow } = await callTcp(one, { to, port: 5001, mode: 'receive', bytes });
    expect(flow.received).toBeGreaterThanOrEqual(bytes);
    expect(flow.damaged).toBe(false);
    await source.stop();
  });

  test('messages from one byte to many come back', async () => {
    const echo = await serveTcp(two, { port: 5001, mode: 'echo' });
    const sizes = [1, 2, 1400, 1460, 1461, 9000, 300_000];
    const call = await callTcp(one, { to, port: 5001, mode: 'exchange', sizes });
    expect(call).toMatchObject({ exchanges: sizes.length, flow: { damaged: false, error: '' } });
    await echo.stop();
  });
});

test('a call at a rate keeps it, and tells of a silence while it is there', async () => {
  const sink = await serveTcp(two, { port: 5001 });
  const call = await startTcp(one, { to: two4, port: 5001, kilobitsPerSecond: 8_000 });
  const flows = async () => {
    const { flow } = await call.ask();
    return flow;
  };
  // who is asked while he waits for a processor is behind for a moment
  const awaited = { what: 'a megabyte at the rate', timeoutMs: 20_000 };
  const before = await waitFor(awaited, async () => {
    const flow = await flows();
    return flow.sent > 1_000_000 && (flow.sent * 8) / flow.us > 6 && flow;
  });
  expect((before.sent * 8) / before.us).toBeLessThan(8.2);
  await lab.site.setCuts([{ from: one.name }]);
  await waitFor({ what: 'half a second of silence', timeoutMs: 20_000 }, async () => {
    const [flow] = (await sink.ask()).connections;
    return flow !== undefined && flow.silenceUs > 500_000;
  });
  await lab.site.setCuts([]);
  const after = await call.stop();
  expect(after.confirmed).toBe(after.flow.sent);
  expect(after.flow.retransmitted).toBeGreaterThan(0);
  expect(megabitsPerSecond(after)).toBeLessThan(8.2);
  await sink.stop();
});

test('pings at a pace count what is lost, in runs, and the silence', async () => {
  const pings = await startPings(one, { to: two4, everyMs: 5, waitMs: 300 });
  const more = async (count: number) => {
    const { sent } = await pings.ask();
    await waitFor({ what: `${count} more pings`, timeoutMs: 10_000 }, async () => {
      return (await pings.ask()).sent >= sent + count;
    });
  };
  await more(20);
  await lab.site.setLink(two, 'eth0', 'down');
  // counted from when it is down: that takes as long as it takes
  await more(40);
  await lab.site.setLink(two, 'eth0', 'up');
  const back = { what: 'answers', timeoutMs: 10_000 };
  const { received } = await pings.ask();
  await waitFor(back, async () => (await pings.ask()).received > received + 5);
  const result = await pings.stop();
  const lost = result.lost.reduce((sum, { count }) => sum + count, 0);
  expect(lost).toBe(lostOf(result));
  expect(lost).toBeGreaterThan(20);
  expect(result.silenceUs).toBeGreaterThan(20 * 5_000);
  expect(result.silenceFromUs).toBeGreaterThan(19 * 5_000);
});

test('silence is measured anew when somebody says so', async () => {
  const servers = [
    await serveTcp(two, { port: 5001, mode: 'echo' }),
    await listenUdp(two, { port: 6000, echo: true }),
  ];
  const plan = { to: two4, sizes: [64], everyMs: 10 };
  const tcp = await startTcp(one, { ...plan, port: 5001, mode: 'exchange', durationMs: 60_000 });
  const udp = await startUdp(one, { ...plan, port: 6000, count: 6_000, echo: true, waitMs: 100 });
  const pings = await startPings(one, { ...plan, waitMs: 100 });
  const asked = async (line?: string) => {
    const [{ flow, exchanges }, datagrams, echoes] = await Promise.all([
      tcp.ask(line),
      udp.ask(line),
      pings.ask(line),
    ]);
    return {
      answers: [exchanges, datagrams.answered, echoes.received],
      silences: [flow.silenceUs, datagrams.silenceUs, echoes.silenceUs],
    };
  };
  const untilMoved = async () => {
    const { answers } = await asked();
    await waitFor({ what: 'answers to all', timeoutMs: 10_000 }, async () =>
      (await asked()).answers.every((count, at) => count > (answers[at] ?? 0) + 5),
    );
  };
  await untilMoved();
  await lab.site.setCuts([{ from: one.name }]);
  // longer than any of these programs waits for a processor
  const longUs = 1_500_000;
  await waitFor({ what: 'silence of all', timeoutMs: 10_000 }, async () =>
    (await asked()).silences.every((us) => us > longUs),
  );
  await lab.site.setCuts([]);
  await untilMoved();
  expect(Math.min(...(await asked('anew')).silences)).toBeGreaterThan(longUs);
  await untilMoved();
  const { silences } = await asked();
  expect(Math.min(...silences)).toBeGreaterThan(5_000);
  expect(Math.max(...silences)).toBeLessThan(longUs);
  for (const each of [tcp, udp, pings, ...servers]) await each.stop();
});

test('under random loss, sender, capture and listener agree to the packet', async () => {
  await lab.site.setCuts([{ from: one.name, to: two.name, percent: 30 }]);
  const listener = await listenUdp(two, { port: 6000 });
  let sent: UdpSent | undefined;
  const seen = await captureAll([one, two], async () => {
    sent = await sendUdp(one, {
      to: two4,
      port: 6000,
      sizes: [100, 1400],
      count: 150,
      // a switch that waits for a processor drops what it has no room for
      everyMs: 4,
    });
  });
  await lab.site.setCuts([]);
  const at = (name: string, nic: string, direction: 'in' | 'out') =>
    seen.filter(
      (frame) =>
        frame.at === name &&
        frame.link === nic &&
        frame.direction === direction &&
        frame.says?.udp?.destinationPort === 6000,
    ).length;
  const heard = heardFrom(await listener.stop(), one.address);
  expect(sent).toMatchObject({ sent: 300, refused: 0 });
  expect([at('h1', link, 'out'), at('h1', 'eth0', 'out')]).toEqual([300, 300]);
  expect([at('h2', 'eth0', 'in'), at('h2', link, 'in')]).toEqual([heard.received, heard.received]);
  // by chance outside once in 10^9
  expect(heard.received).toBeGreaterThan(150);
  expect(heard.received).toBeLessThan(265);
});

test('multicast and broadcast are heard by those who listen, once', async () => {
  const groups = ['239.1.2.3', 'ff02::77'];
  const member = await listenUdp(two, { port: 6000, groups, link });
  const stranger = await listenUdp(two, { port: 6001 });
  for (const to of [...groups, '255.255.255.255']) {
    for (const port of [6000, 6001]) {
      const plan = { to, port, link, sizes: [1, 100, 1400], count: 4, waitMs: 20 };
      expect(await sendUdp(one, plan)).toMatchObject({ sent: 12, errors: [] });
    }
  }
  const total = ({ senders }: UdpHeard, key: 'received' | 'doubled') =>
    senders.reduce((sum, each) => sum + each[key], 0);
  await waitFor({ what: 'all datagrams', timeoutMs: 10_000 }, async () => {
    const ofMember = total(await member.ask(), 'received');
    return ofMember >= 36 && total(await stranger.ask(), 'received') >= 12;
  });
  const heard = await member.stop();
  expect([total(heard, 'received'), total(heard, 'doubled')]).toEqual([36, 0]);
  expect(total(await stranger.stop(), 'received')).toBe(12);
});

describe('frames as they are', () => {
  test('a frame with tags and foreign addresses leaves and arrives unchanged', async () => {
    const capture = await Capture.start(two, 'eth1');
    const injector = await Injector.open(one, 'eth1');
    const head = { from: '02:99:00:00:00:01', to: '02:99:00:00:00:02', vlans: [4094, 7] };
    const plan = { source: '10.9.9.9', destination: '10.9.9.8' };
    const frame = frames.echoRequest(head, plan);
    await injector.send(frame, { count: 3, everyMs: 1 });
    const sent = ({ says }: Seen) => says?.from === head.from;
    await waitFor({ what: 'the last of three', timeoutMs: 10_000 }, async () => {
      return (await capture.seen()).filter(sent).length >= 3;
    });
    await injector.close();
    const seen = (await capture.stop()).filter(sent);
    expect(seen.map(({ bytes }) => Buffer.from(bytes))).toEqual([frame, frame, frame]);
    expect(seen[0]).toMatchObject({ link: 'eth1', direction: 'in', says: { vlans: [4094, 7] } });
  });

  test('a datagram that was changed is counted as damaged, or by the kernel', async () => {
    const listener = await listenUdp(two, { port: 6000 });
    const { mac } = await linkOf(two, link);
    const injector = await Injector.open(one, link);
    const way = { source: '198.18.0.66', destination: two4, sourcePort: 9, destinationPort: 6000 };
    const head = { from: '02:66:00:00:00:01', to: mac };
    const before = await countersOf(two);
    const wrong = frames.udp(head, way, Buffer.alloc(100, 1));
    await injector.send(wrong);
    const broken = Uint8Array.from(wrong);
    broken[broken.length - 1] = 2;
    await injector.send(broken);
    const awaited = { what: 'the kernel counts it', timeoutMs: 5_000 };
    await waitFor(awaited, async () => {
      const grown = grownBetween(before, await countersOf(two));
      return grown['Udp.InCsumErrors'] === 1 && grown['Udp.InDatagrams'] === 1;
    });
    const { senders } = await listener.stop();
    expect(senders).toMatchObject([{ from: '198.18.0.66', received: 0, damaged: 1 }]);
    await injector.close();
  });

  test('a datagram that comes twice, or after its successor, is counted as such', async () => {
    const listener = await listenUdp(two, { port: 6000 });
    const capture = await Capture.start(one, link);
    await sendUdp(one, { to: two4, port: 6000, sizes: [100], count: 3, waitMs: 20 });
    const sent = (await capture.stop()).filter(({ says }) => says?.udp?.destinationPort === 6000);
    const bytes = sent.map((frame) => frame.bytes);
    const [first, second, third] = bytes;
    if (first === undefined || second === undefined || third === undefined) {
      throw new Error(`${bytes.length} of 3 datagrams were captured`);
    }
    const again = await listenUdp(two, { port: 6001 });
    const injector = await Injector.open(one, link);
    await injector.send(second);
    // to the other port, which the checksum of UDP may be told not to cover
    for (const each of [first, third, second, second]) {
      const moved = Uint8Array.from(each);
      moved.set([6001 >> 8, 6001 & 255, ...moved.subarray(38, 40), 0, 0], 36);
      await injector.send(moved);
    }
    await injector.close();
    const heard = { what: 'the last', timeoutMs: 5_000 };
    const all = async () => heardFrom(await again.ask(), one.address);
    await waitFor(heard, async () => (await all()).received === 4);
    expect(await all()).toMatchObject({ received: 4, doubled: 1, late: 1, damaged: 0 });
    const before = heardFrom(await listener.stop(), one.address);
    expect(before).toMatchObject({ received: 4, doubled: 1, late: 0, damaged: 0 });
    await again.stop();
  });

  test('a stream with other bytes than it should have is seen as damaged', async () => {
    const serve = ['sh', '-c', 'while true; do echo wrong; done | busybox nc -l -p 5005'];
    const server = await two.spawnInHost('setsid', serve, { name: 'liar' });
    const call = () => callTcp(one, { to: two4, port: 5005, mode: 'receive', bytes: 1_000 });
    const { flow } = await waitFor({ what: 'a connection', timeoutMs: 5_000 }, async () => {
      const result = await call();
      return result.flow.error === '' && result;
    });
    expect(flow.damaged).toBe(true);
    await server.ended(5_000).catch(() => server.stop('SIGKILL'));
  });
});

test('tools say what is wrong', async () => {
  await expect(Injector.open(one, 'nope')).rejects.toThrow('nope: ENODEV');
  await expect(ping(one, { to: 'nobody' })).rejects.toThrow('nobody');
  await expect(ping(one, { to: two4, source: '10.0.0.1' })).rejects.toThrow('EADDRNOTAVAIL');
  const lost = { name: 'gone', net: '/run/netns/gone', environment: {} };
  await expect(ping(lost, { to: two4 })).rejects.toThrow('ENOENT');
  const server = await serveTcp(two, { port: 5001 });
  await expect(serveTcp(two, { port: 5001 })).rejects.toThrow('EADDRINUSE');
  await server.stop();
});

/** Leaders lost, quorums lost and found again, clocks that jump, authorities that are replaced. */
import { describe, expect, it } from 'vitest';
import { readCertificate, isSignedBy } from '../../../lib/store/peer/certificate.ts';
import { everything, put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import {
  but,
  clockOff,
  keysOf,
  leaderOf,
  refusalOf,
  siteOf,
  timing,
  type SiteHost,
} from './site.ts';

/** Adds one to a counter again and again, until told to stop; answers how often it was acknowledged. */
function counting(host: SiteHost, key: string) {
  let isOver = false;
  let acknowledged = 0;
  const run = async () => {
    while (!isOver) {
      const { rows } = await host.node.store.range({ start: key });
      const [row] = rows;
      const txn = {
        compare: [
          { key, target: 'modRevision', operator: '=', value: row?.modRevision ?? 0 },
        ] as const,
        // oxlint-disable-next-line unicorn/no-thenable -- the port's word
        then: [put(key, String(Number(row?.value ?? 0) + 1))],
      };
      const { succeeded } = await host.node.store.txn(txn);
      if (succeeded) acknowledged += 1;
    }
  };
  const running = run();
  return {
    acknowledged: () => acknowledged,
    async stop(): Promise<number> {
      isOver = true;
      await running;
      return acknowledged;
    },
  };
}

describe.concurrent('when the leader is killed', () => {
  it('nothing acknowledged is lost, and what was under way is done once (hazard 22)', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const leader = await leaderOf(hosts);
    const [b, c] = but(hosts, leader);
    if (b === undefined || c === undefined) throw new Error('three hosts');
    const counters = [counting(b, 'b'), counting(c, 'c')];
    await until('both count', () => counters.every((each) => each.acknowledged() > 20));
    const many = Array.from({ length: 50 }, (_, n) => write(b.node.store, put(`burst/${n}`)));
    await site.kill(leader);
    await Promise.all(many);
    const before = counters.map((each) => each.acknowledged());
    await until('both count on', () =>
      counters.every((each, at) => each.acknowledged() > (before[at] ?? 0) + 20),
    );
    const counts = await Promise.all(counters.map((each) => each.stop()));
    const { rows } = await b.node.store.range(everything);
    const values = new Map(rows.map(({ key, value, version }) => [key, [value, version]]));
    // each addition once: no more than was acknowledged, and no less
    expect([values.get('b'), values.get('c')]).toEqual(counts.map((n) => [String(n), n]));
    expect(rows.filter(({ key }) => key.startsWith('burst/'))).toHaveLength(50);
    expect(rows.filter(({ version, key }) => key.startsWith('burst/') && version > 1)).toEqual([]);
  });
});

describe.concurrent('when the quorum is lost', () => {
  it('local reads go on, the rest is refused in time, and all goes on when it is back', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const [a, b, c] = hosts;
    if (a === undefined || b === undefined || c === undefined) throw new Error('three hosts');
    await write(a.node.store, put('before'));
    await site.kill(b);
    await site.kill(c);
    const { waitMs = 0 } = timing;
    const startMs = performance.now();
    const refused = await Promise.allSettled([
      write(a.node.store, put('during')),
      a.node.store.range(everything),
      a.node.store.grantLease(5_000),
    ]);
    for (const each of refused) {
      const code = each.status === 'rejected' ? (each.reason as { code?: string }).code : 'none';
      expect(['QUORUM_LOST', 'STORE_OUTCOME_UNKNOWN']).toContain(code);
    }
    expect(performance.now() - startMs).toBeLessThan(waitMs + 2_000);
    expect(await keysOf(a.node.store, 'local')).toContain('before');
    // from now on it is known: at once
    await until('that is known', () => {
      const since = a.node.engine.leadership.leaderlessSinceMs();
      return since !== undefined && performance.now() - since > waitMs;
    });
    const knownMs = performance.now();
    const lost = { code: 'QUORUM_LOST' };
    await expect(write(a.node.store, put('no'))).rejects.toMatchObject(lost);
    await expect(a.node.store.range(everything)).rejects.toMatchObject(lost);
    await expect(a.operations.promote('host-b')).rejects.toMatchObject(lost);
    // each of them alone would have waited that long
    expect(performance.now() - knownMs).toBeLessThan(waitMs);
    const { problems } = await a.operations.status();
    expect(problems[0]).toMatchObject(lost);
    await site.start(b);
    await until('writes go on', () => write(a.node.store, put('after')));
    const keys = await keysOf(b.node.store);
    expect(keys).toContain('before');
    expect(keys).toContain('after');
    expect(keys).not.toContain('no');
  });

  it('closing does not wait for it for long', async (context) => {
    const site = siteOf(context);
    const [a, b] = await site.voters(2);
    if (a === undefined || b === undefined) throw new Error('two hosts');
    await site.kill(b);
    const writing = write(a.node.store, put('x')).catch((error: unknown) => error);
    const startMs = performance.now();
    await a.node.close();
    expect(performance.now() - startMs).toBeLessThan((timing.waitMs ?? 0) + 2_500);
    expect(await writing).toBeInstanceOf(Error);
  });
});

describe.concurrent('clocks', () => {
  it('of ten years ago and in ten years are no reason to stop (hazard 21)', async (context) => {
    const site = siteOf(context);
    const decade = 10 * 365 * 86_400_000;
    let offMs = -decade;
    const a = await site.host('host-a', { clock: clockOff(() => offMs) });
    const b = await site.joined(a, 'host-b', 'voter', { clock: clockOff(() => decade) });
    const c = await site.joined(b, 'host-c', 'voter', { clock: clockOff(() => -offMs) });
    const hosts = [a, b, c];
    for (const host of hosts) {
      await write(host.node.store, put(`by/${host.name}`));
      const lease = await host.node.store.grantLease(60_000);
      await host.node.store.keepLease(lease.id);
      offMs += decade;
    }
    await until('all vote', () => a.node.engine.status().config.voters.length === 3);
    for (const host of but(hosts, a)) {
      await host.node.close();
      await site.start(host);
    }
    await until('they are back', () => a.node.connected().length === 2);
    await a.operations.transfer(undefined);
    for (const { node } of hosts) expect(await keysOf(node.store)).toHaveLength(3);
  });
});

describe.concurrent('replacing the authority', () => {
  it('happens under way, and ends with the old certificates being refused', async (context) => {
    const site = siteOf(context);
    const hosts = await site.voters(3);
    const [a, b] = hosts;
    if (a === undefined || b === undefined) throw new Error('hosts');
    const o = await site.joined(a, 'host-o', 'observer');
    const old = b.node.file;
    const oldAuthority = old?.authorities[0] ?? '';
    const counter = counting(o, 'n');
    await b.operations.rotate();
    for (const { node } of [...hosts, o]) {
      await until('only the new one is trusted', () => {
        const { certificate, authorities = [] } = node.file ?? {};
        return (
          authorities.length === 1 &&
          !authorities.includes(oldAuthority) &&
          certificate !== undefined &&
          isSignedBy(readCertificate(certificate), authorities[0] ?? '')
        );
      });
    }
    await until('it went on', () => counter.acknowledged() > 5);
    const before = counter.acknowledged();
    await until('it goes on', () => counter.acknowledged() > before + 5);
    await counter.stop();
    // whoever shows what b showed before is a stranger
    if (old === undefined) throw new Error('b has a peer file');
    const { identity } = b.node;
    expect(await refusalOf(a, { file: old, identity })).toBe('PEER_CERTIFICATE');
    const d = await site.joined(b, 'host-d', 'observer');
    expect(await keysOf(d.node.store)).toEqual(['n']);
  });
});

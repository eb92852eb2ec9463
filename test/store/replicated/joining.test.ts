/** Who is let in, who is not, and what versions go together. */
import { describe, expect, it } from 'vitest';
import { formatJoinToken, makeJoinSecret, parseJoinToken } from '../../../lib/store/peer/token.ts';
import { put, write } from '../../conformance/open-store.ts';
import { until } from '../../support/until.ts';
import {
  clockOff,
  expectRefused,
  freeAddress,
  keysOf,
  refusalOf,
  siteOf,
  votersOf,
} from './site.ts';

describe.concurrent('a token', () => {
  it('lets in as many hosts as it says, until its time is over', async (context) => {
    const site = siteOf(context);
    let offMs = 0;
    const a = await site.host('host-a', { clock: clockOff(() => offMs) });
    const token = await site.token(a, 'observer', 2);
    const forged = formatJoinToken({ ...parseJoinToken(token), secret: makeJoinSecret() });
    const [b, c, d] = [
      await site.host('host-b'),
      await site.host('host-c'),
      await site.host('host-d'),
    ];
    const join = async (host: typeof b, text: string) =>
      host.operations.join({ token: text, listen: await freeAddress() });
    await expectRefused('TOKEN_UNKNOWN', [a, b], () => join(b, forged));
    await expectRefused('TOKEN_INVALID', [a, b], () => join(b, token.slice(0, -1)));
    await expectRefused('TOKEN_INVALID', [a, b], () =>
      join(b, token.replace('fairlead1', 'fairlead2')),
    );
    await join(b, token);
    offMs = 601_000;
    await expectRefused('TOKEN_EXPIRED', [a, c], () => join(c, token));
    // a clock that jumped back by decades lets nobody in twice
    offMs = -50 * 365 * 86_400_000;
    await join(c, token);
    await expectRefused('TOKEN_USED', [a, d], () => join(d, token));
    const { members } = await a.operations.status();
    expect(members.map(({ name, role }) => [name, role])).toEqual([
      ['host-a', 'voter'],
      ['host-b', 'observer'],
      ['host-c', 'observer'],
    ]);
  });

  it('is not used twice by a host that lost the answer', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const token = await site.token(a, 'voter');
    let isLost = true;
    const between = async (step: string): Promise<void> => {
      if (step !== 'join: let in' || !isLost) return;
      isLost = false;
      throw new Error('the answer is lost');
    };
    const b = await site.host('host-b', { between });
    await expect(b.operations.join({ token, listen: await freeAddress() })).rejects.toThrow('lost');
    expect(b.operations.isAlone()).toBe(true);
    await b.operations.join({ token, listen: await freeAddress() });
    const { members } = await a.operations.status();
    expect(members.map(({ name }) => name)).toEqual(['host-a', 'host-b']);
    await until('it votes', () => votersOf(a).length === 2);
  });

  it('is for the cluster that made it, whoever answers at its address (TOKEN_PIN)', async (context) => {
    const site = siteOf(context);
    const [a, b] = [await site.host('host-a'), await site.host('host-b')];
    const token = parseJoinToken(await site.token(a, 'voter'));
    const { addresses } = parseJoinToken(await site.token(b, 'voter'));
    const c = await site.host('host-c');
    const mixed = formatJoinToken({ ...token, addresses });
    const listen = await freeAddress();
    await expectRefused('TOKEN_PIN', [a, b, c], () => c.operations.join({ token: mixed, listen }));
  });
});

describe.concurrent('joining', () => {
  it('is refused to a host that would lose something, or whose name or address is taken', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const token = await site.token(a, 'observer', 9);
    const namesake = await site.host('host-a');
    const busy = await site.host('host-b');
    await write(busy.node.store, put('work/network'));
    const other = await site.host('host-c');
    await site.joined(other, 'host-d', 'observer');
    const taken = a.node.file?.listen ?? '';
    const listen = await freeAddress();
    const all = [a, namesake, busy, other];
    await expectRefused('MEMBER_EXISTS', all, () => namesake.operations.join({ token, listen }));
    await expectRefused('CLUSTER_NOT_EMPTY', all, () => busy.operations.join({ token, listen }));
    await expectRefused('CLUSTER_CHANGE', all, () => other.operations.join({ token, listen }));
    await expectRefused('MEMBER_EXISTS', all, () => a.operations.join({ token, listen }));
    const fresh = await site.host('host-e');
    await expectRefused('SOCKET_IN_USE', [a, fresh], () =>
      fresh.operations.join({ token, listen: taken }),
    );
    // one command at a time
    const joining = fresh.operations.join({ token, listen });
    await expect(fresh.operations.join({ token, listen })).rejects.toMatchObject({ code: 'BUSY' });
    await joining;
    expect(await keysOf(busy.node.store)).toEqual(['work/network']);
  });

  it('goes by two files as well, and only with the answer to the own request', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    await a.operations.init({ listen: await freeAddress() });
    const [b, c] = [await site.host('host-b'), await site.host('host-c')];
    const pin = (await a.operations.status()).pin ?? '';
    await expectRefused('REQUEST_INVALID', [b], () => b.operations.joinAccept('{}', pin));
    const request = await b.operations.joinRequest({ listen: await freeAddress() });
    await expectRefused('REQUEST_INVALID', [a], () => a.operations.joinAnswer('{}', 'voter'));
    const answer = await a.operations.joinAnswer(request, 'voter');
    await c.operations.joinRequest({ listen: await freeAddress() });
    await expectRefused('PEER_CERTIFICATE', [c], () => c.operations.joinAccept(answer, pin));
    await expectRefused('TOKEN_PIN', [b], () => b.operations.joinAccept(answer, 'ab'.repeat(32)));
    const changed = answer.replace('voter', 'other');
    await expectRefused('PEER_CERTIFICATE', [b], () => b.operations.joinAccept(changed, pin));
    await b.operations.joinAccept(answer, pin);
    await until('it votes', () => votersOf(a).length === 2);
    await write(b.node.store, put('by/file'));
    expect(await keysOf(a.node.store)).toEqual(['by/file']);
    await expectRefused('REQUEST_INVALID', [a, b], () => b.operations.joinAccept(answer, pin));
  });
});

describe.concurrent('versions', () => {
  it('go together only with a protocol in common (CLUSTER_VERSION)', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a');
    const b = await site.joined(a, 'host-b', 'observer');
    const { file, identity } = b.node;
    if (file === undefined) throw new Error('a member has a peer file');
    await b.node.close();
    const said = { protocolMin: 8, protocolMax: 9 };
    expect(await refusalOf(a, { file, identity, said })).toBe('CLUSTER_VERSION');
  });

  it('raise the feature level when every member knows it, and never before (hazard 37)', async (context) => {
    const site = siteOf(context);
    const a = await site.host('host-a', { featureLevel: 2 });
    await until('one member is all members', () => a.node.rows.featureLevel() === 2);
    const old = await site.host('host-b');
    const token = await site.token(a, 'voter', 3);
    const listen = await freeAddress();
    await expectRefused('CLUSTER_VERSION', [a, old], () => old.operations.join({ token, listen }));
    const c = await site.host('host-c', { featureLevel: 2 });
    await c.operations.join({ token, listen: await freeAddress() });
    await until('it votes', () => votersOf(a).length === 2);
    // an older program on its data is refused before it touches anything
    await c.node.close();
    c.choices = { featureLevel: 1 };
    await expect(site.start(c)).rejects.toMatchObject({ code: 'STORE_TOO_NEW' });
    for (const host of [a, c]) {
      await host.node.close();
      host.choices = { featureLevel: 3 };
    }
    await site.start(c);
    await site.start(a);
    await until('both know the third', () => a.node.rows.featureLevel() === 3);
    expect(old.operations.isAlone()).toBe(true);
  });

  it('keep the level of the member that knows least', async (context) => {
    const site = siteOf(context);
    const b = await site.host('host-b');
    const a = await site.joined(b, 'host-a', 'voter', { featureLevel: 2 });
    await until('both have said what they know', () =>
      b.node.rows.members().every(({ featureLevel }) => featureLevel !== undefined),
    );
    const levels = b.node.rows.members().map(({ name, featureLevel }) => [name, featureLevel]);
    expect(new Map(levels as [string, number][])).toEqual(
      new Map([
        ['host-a', 2],
        ['host-b', 1],
      ]),
    );
    await a.operations.transfer('host-a').catch(() => undefined);
    await write(a.node.store, put('x'));
    expect([a, b].map(({ node }) => node.rows.featureLevel())).toEqual([1, 1]);
  });
});

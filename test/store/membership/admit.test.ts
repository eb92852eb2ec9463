/** Decisions about members, on a store that is a map. */
import { describe, expect, it } from 'vitest';
import {
  clusterMembersMax,
  clusterRemovedMax,
  clusterTokensMax,
  clusterVotersMax,
} from '../../../lib/limits.ts';
import { encodeRecord } from '../../../lib/model/record.ts';
import { planAdmit, planReplace, type JoinWish } from '../../../lib/store/membership/admit.ts';
import { planForget, planFound, planLeave } from '../../../lib/store/membership/members.ts';
import { recoveredRows } from '../../../lib/store/membership/recovered.ts';
import {
  alarmKey,
  memberKey,
  nameKey,
  removedKey,
  removedRange,
  tokenKey,
  tokenRange,
  type Member,
  type Token,
} from '../../../lib/store/membership/rows.ts';
import { planToken } from '../../../lib/store/membership/tokens.ts';
import { runPlan } from '../../../lib/store/run-plan.ts';
import type { Operation } from '../../../lib/store/port.ts';
import { everything, put } from '../../conformance/open-store.ts';
import { MapStore } from '../../support/map-store.ts';

// oxlint-disable-next-line unicorn/no-thenable -- the port's word
const write = (store: MapStore, then: Operation) => store.txn({ compare: [], then: [then] });

const id = (n: number): string => n.toString(16).padStart(16, '0');
const dataId = (n: number): string => id(n).repeat(2);
const hash = 'ab'.repeat(32);
const token: Token = { hash, role: 'voter', expiresAtMs: 1_000, usesLeft: 1 };
const member = (n: number, facts: Partial<Member> = {}): Member => ({
  ...{ id: id(n), name: `host-${n}`, role: 'voter', addresses: [], dataId: dataId(n) },
  ...{ version: '', joinedAtMs: 0, leaving: false },
  ...facts,
});
const wish = (n: number, facts: Partial<JoinWish> = {}): JoinWish => {
  const { role: _, leaving: __, ...rest } = member(n);
  return { by: { kind: 'token', hash }, member: rest, nowMs: 500, ...facts };
};

/** A cluster of host-1 with a token for one voter. */
async function founded(): Promise<MapStore> {
  const store = new MapStore();
  await runPlan(store, () => planFound(member(1)));
  await runPlan(store, () => planToken(token, 0));
  return store;
}

/** Rows of members who are simply there. */
async function crowd(store: MapStore, count: number, facts: Partial<Member>): Promise<void> {
  for (let n = 2; n < count + 2; n += 1) {
    await write(store, put(memberKey(id(n)), encodeRecord(member(n, facts))));
  }
}

const keys = async (store: MapStore): Promise<readonly string[]> =>
  (await store.range(everything)).rows.map(({ key }) => key);

describe('admitting', () => {
  it('uses the token with the same transaction, and not again for the same host', async () => {
    const store = await founded();
    const first = await runPlan(store, () => planAdmit(wish(2)));
    expect(first).toMatchObject({ id: id(2), role: 'voter', leaving: false });
    const before = await store.range(everything);
    expect(await runPlan(store, () => planAdmit(wish(2)))).toEqual(first);
    expect(await store.range(everything)).toEqual(before);
    await expect(runPlan(store, () => planAdmit(wish(3)))).rejects.toMatchObject({
      code: 'TOKEN_USED',
    });
  });

  it.each([
    ['TOKEN_UNKNOWN', wish(2, { by: { kind: 'token', hash: 'cd'.repeat(32) } })],
    ['TOKEN_EXPIRED', wish(2, { nowMs: 1_000 })],
    ['MEMBER_EXISTS', { ...wish(2), member: { ...wish(2).member, name: 'host-1' } }],
    ['MEMBER_EXISTS', { ...wish(2), member: { ...wish(1).member, dataId: dataId(9) } }],
  ])('refuses with %s and changes nothing', async (code, wanted) => {
    const store = await founded();
    const before = await store.range(everything);
    await expect(runPlan(store, () => planAdmit(wanted))).rejects.toMatchObject({ code });
    expect(await store.range(everything)).toEqual(before);
  });

  it('refuses a key that was a member before (hazard 13), and one that is leaving', async () => {
    const store = await founded();
    await runPlan(store, () => planAdmit(wish(2)));
    await runPlan(store, () => planLeave('host-2'));
    const removed = { code: 'MEMBER_REMOVED' };
    await expect(runPlan(store, () => planAdmit(wish(2)))).rejects.toMatchObject(removed);
    await runPlan(store, () => planForget(id(2), 7));
    const by = { kind: 'operator', role: 'voter' } as const;
    await expect(runPlan(store, () => planAdmit(wish(2, { by })))).rejects.toMatchObject(removed);
    // the name is free for another key
    const other = { ...wish(3, { by }), member: { ...wish(3).member, name: 'host-2' } };
    expect(await runPlan(store, () => planAdmit(other))).toMatchObject({ id: id(3) });
  });

  it('has room for so many voters and so many members', async () => {
    const voters = await founded();
    await crowd(voters, clusterVotersMax - 1, {});
    const by = { kind: 'operator', role: 'voter' } as const;
    const full = { code: 'CLUSTER_CHANGE' };
    await expect(runPlan(voters, () => planAdmit(wish(99, { by })))).rejects.toMatchObject(full);
    const observer = { kind: 'operator', role: 'observer' } as const;
    await runPlan(voters, () => planAdmit(wish(99, { by: observer })));
    const many = await founded();
    await crowd(many, clusterMembersMax - 1, { role: 'observer' });
    const last = wish(5_000, { by: observer });
    await expect(runPlan(many, () => planAdmit(last))).rejects.toMatchObject(full);
  });
});

describe('replacing a member whose data is lost', () => {
  const { name: _, ...fresh } = wish(9).member;

  it('keeps name and role, and lets the lost one go; asked again it is the same', async () => {
    const store = await founded();
    await runPlan(store, () => planAdmit(wish(2)));
    const answer = await runPlan(store, () => planReplace(id(2), fresh));
    expect(answer).toMatchObject({ id: id(9), name: 'host-2', role: 'voter', leaving: false });
    const before = await store.range(everything);
    expect(await runPlan(store, () => planReplace(id(2), fresh))).toEqual(answer);
    expect(await store.range(everything)).toEqual(before);
    await runPlan(store, () => planForget(id(2), 7));
    // the name is the new one's
    expect(await keys(store)).toContain(nameKey('host-2'));
  });

  it('is refused for one that is gone, and for one that would be itself again (hazard 32)', async () => {
    const store = await founded();
    await runPlan(store, () => planAdmit(wish(2)));
    const { name: __, ...same } = wish(2).member;
    const refused = [
      [id(7), fresh, 'MEMBER_REMOVED'],
      [id(2), { ...fresh, dataId: dataId(2) }, 'MEMBER_REMOVED'],
      [id(2), { ...same, dataId: dataId(9) }, 'MEMBER_EXISTS'],
    ] as const;
    const before = await store.range(everything);
    for (const [lost, wanted, code] of refused) {
      await expect(runPlan(store, () => planReplace(lost, wanted))).rejects.toMatchObject({ code });
    }
    expect(await store.range(everything)).toEqual(before);
    await runPlan(store, () => planLeave('host-2'));
    const gone = { code: 'MEMBER_REMOVED' };
    await expect(runPlan(store, () => planReplace(id(2), fresh))).rejects.toMatchObject(gone);
  });
});

describe('bounds', () => {
  it('of tokens: those that are spent make room, open ones do not', async () => {
    const store = await founded();
    const make = (n: number, facts: Partial<Token> = {}) =>
      runPlan(store, () =>
        planToken({ ...token, hash: n.toString(16).padStart(64, '0'), ...facts }, 0),
      );
    for (let n = 1; n < clusterTokensMax; n += 1) await make(n);
    await expect(make(0)).rejects.toMatchObject({ code: 'CLUSTER_CHANGE' });
    await write(store, put(tokenKey(hash), encodeRecord({ ...token, usesLeft: 0 })));
    await make(0);
    expect((await store.range(tokenRange)).rows).toHaveLength(clusterTokensMax);
  });

  it('of removed members: the oldest is forgotten', async () => {
    const store = await founded();
    for (let n = 0; n < clusterRemovedMax; n += 1) {
      const row = { name: `old-${n}`, removedAtMs: n === 7 ? -1 : n };
      await write(store, put(removedKey(id(1_000 + n)), encodeRecord(row)));
    }
    await runPlan(store, () => planAdmit(wish(2)));
    await runPlan(store, () => planLeave('host-2'));
    await runPlan(store, () => planForget(id(2), 9_999));
    const { rows } = await store.range(removedRange);
    expect(rows).toHaveLength(clusterRemovedMax);
    expect(rows.some(({ key }) => key === removedKey(id(1_007)))).toBe(false);
    expect(rows.some(({ key }) => key === removedKey(id(2)))).toBe(true);
  });
});

describe('the rows after a recovery', () => {
  it('are of one voter; the others were members; what else there is stays', async () => {
    const store = await founded();
    await runPlan(store, () => planAdmit(wish(2)));
    await write(store, put(alarmKey(id(2)), '{}'));
    const { rows } = await store.range(everything);
    const self = member(2, { role: 'observer', leaving: true });
    const after = recoveredRows(rows, self, 42);
    expect(after.map(({ key }) => key).toSorted()).toEqual(
      [
        'cluster',
        memberKey(id(2)),
        nameKey('host-2'),
        removedKey(id(1)),
        tokenKey(hash),
      ].toSorted(),
    );
    const own = after.find(({ key }) => key === memberKey(id(2)))?.value ?? '';
    expect(JSON.parse(own)).toMatchObject({ role: 'voter', leaving: false });
  });
});

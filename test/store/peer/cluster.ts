/** Members with certificates, without a store: what the tests of connections are about. */
import { afterEach } from 'vitest';
import { systemClock } from '../../../lib/clock.ts';
import type { FairleadError } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import {
  issueCertificate,
  makeAuthority,
  makeKeyPair,
  type Authority,
} from '../../../lib/store/peer/authority.ts';
import type { HelloFacts } from '../../../lib/store/peer/hello.ts';
import { openPeers, type Peers, type PeersOptions } from '../../../lib/store/peer/peers.ts';
import type { PeerAddress, PeerCredentials } from '../../../lib/store/peer/secure.ts';
import type { PeerMessage } from '../../../lib/store/driver/messages.ts';
import { until } from '../../support/until.ts';

export const clusterId = 'c1'.repeat(16);
const nowMs = Date.UTC(2027, 0, 1);

/** 16 digits of one kind. */
export const memberId = (digit: string) => digit.repeat(16);

export const authority = makeAuthority(clusterId, nowMs);

/** Credentials of a member, made by an authority that trusts itself alone. */
export function credentialsOf(
  id: string,
  { by = authority, cluster = clusterId }: { by?: Authority; cluster?: string } = {},
): PeerCredentials {
  const keys = makeKeyPair();
  const { publicKey } = keys;
  const name = { clusterId: cluster, memberId: id };
  return {
    privateKey: keys.privateKey,
    certificate: issueCertificate(by, { ...name, publicKey, wallMs: nowMs }),
    authorities: [by.certificate],
    enforceDates: false,
  };
}

/** What a member says of itself. */
export function helloOf(id: string, facts: Partial<HelloFacts> = {}): HelloFacts {
  return {
    clusterId,
    epoch: 1,
    memberId: id,
    dataId: 'd1'.repeat(16),
    featureLevel: 1,
    version: '0.1.0',
    host: `host-${id[0] ?? ''}`,
    position: { term: 3, last: { index: 7, term: 3 }, applied: 6 },
    ...facts,
  };
}

/** A member and what it was told. */
export interface TestMember {
  readonly id: string;
  readonly peers: Peers;
  readonly received: (readonly [from: string, message: PeerMessage])[];
  readonly refusals: (readonly [code: string, by: string])[];
  readonly unreachable: string[];
}

const open: Peers[] = [];
afterEach(async () => {
  await Promise.all(open.splice(0).map((peers) => peers.close()));
});

/** Starts a member on a port of the system's choice. */
export async function startMember(
  digit: string,
  options: Partial<PeersOptions> = {},
): Promise<TestMember> {
  const id = memberId(digit);
  const told: Omit<TestMember, 'peers'> = { id, received: [], refusals: [], unreachable: [] };
  const peers = await openPeers({
    clock: systemClock,
    log: silentLogger(),
    listen: { host: '127.0.0.1', port: 0 },
    credentials: credentialsOf(id),
    members: [],
    hello: () => helloOf(id),
    judge: () => undefined,
    onMessage: (from, message) => told.received.push([from, message]),
    onRequest: async (from, request) => ({ from, request }),
    onUnreachable: (member) => told.unreachable.push(member),
    onRefused: (error: FairleadError, by) => told.refusals.push([error.code, by]),
    ...options,
  });
  open.push(peers);
  return { ...told, peers };
}

/** Where a member listens. */
export function addressOf({ peers }: TestMember): PeerAddress {
  if (peers.address === undefined) throw new Error('it does not listen');
  return peers.address;
}

/** Makes one member dial another. */
export function introduce(one: TestMember, other: TestMember): void {
  one.peers.setMembers([{ id: other.id, addresses: [addressOf(other)], dial: true }]);
}

/** Whether a member is connected to another. */
export function isConnected(one: TestMember, other: { readonly id: string }): boolean {
  return one.peers.states().some(({ member, connected }) => member === other.id && connected);
}

/** Makes one member dial another, and waits until both are connected. */
export async function connect(one: TestMember, other: TestMember): Promise<void> {
  introduce(one, other);
  await until('both are connected', () => isConnected(one, other) && isConnected(other, one));
}

/**
 * Members in a process of some runtime, told what to do by lines of JSON on standard input; each line is
 * answered by one on standard output. Started by `processes.ts`.
 */
import { createInterface } from 'node:readline';
import { systemClock } from '../../../lib/clock.ts';
import { asFairleadError, FairleadError, type ErrorCode } from '../../../lib/errors.ts';
import { silentLogger } from '../../../lib/log.ts';
import type { PeerMessage } from '../../../lib/store/driver/messages.ts';
import {
  issueCertificate,
  makeKeyPair,
  type Authority,
  type MemberName,
} from '../../../lib/store/peer/authority.ts';
import type { HelloFacts } from '../../../lib/store/peer/hello.ts';
import { requestJoin } from '../../../lib/store/peer/join-client.ts';
import type { JoinJudge } from '../../../lib/store/peer/join-server.ts';
import { openPeers, type PeerMember, type Peers } from '../../../lib/store/peer/peers.ts';
import type { PeerCredentials } from '../../../lib/store/peer/secure.ts';
import type { JoinToken } from '../../../lib/store/peer/token.ts';

/** What a child can be told. */
export type ChildCommand =
  | {
      readonly do: 'open';
      readonly hello: HelloFacts;
      /** Address to listen on. */
      readonly host: string;
      readonly credentials: PeerCredentials;
      /** Wall time. */
      readonly wallMs: number;
      /** Members that are refused, and with what. */
      readonly refuse: Readonly<Record<string, ErrorCode>>;
      /** Lets hosts in that have any secret, under the id that they ask for. */
      readonly authority: Authority | undefined;
    }
  | { readonly do: 'join'; readonly token: JoinToken; readonly as: string }
  | { readonly do: 'members'; readonly id: string; readonly members: readonly PeerMember[] }
  | { readonly do: 'rotate'; readonly id: string; readonly credentials: PeerCredentials }
  | {
      readonly do: 'disconnect';
      readonly id: string;
      readonly from: string;
      readonly code: ErrorCode;
    }
  /** Sends parts of a snapshot; answers when all are on their way. */
  | {
      readonly do: 'parts';
      readonly id: string;
      readonly to: string;
      readonly count: number;
      readonly bytes: number;
    }
  | { readonly do: 'request'; readonly id: string; readonly to: string; readonly payload: unknown }
  | { readonly do: 'report'; readonly id: string }
  | { readonly do: 'close'; readonly id: string };

/** What a member has seen. */
export interface ChildReport {
  readonly port: number;
  readonly parts: number;
  readonly characters: number;
  /** Numbers of parts that came out of turn. */
  readonly disorder: number;
  readonly unreachable: number;
  readonly refusals: readonly ErrorCode[];
  readonly states: readonly {
    readonly member: string;
    readonly connected: boolean;
    readonly fingerprint: string | undefined;
    readonly outOfDate: boolean | undefined;
    readonly error: ErrorCode | undefined;
  }[];
  readonly rssBytes: number;
}

interface Seen {
  parts: number;
  acknowledged: number;
  characters: number;
  disorder: number;
  unreachable: number;
  refusals: ErrorCode[];
}

interface Member {
  readonly peers: Peers;
  readonly seen: Seen;
}

const members = new Map<string, Member>();
/** Less than the credit. */
const partsUnderWay = 12;

function find(id: string): Member {
  const member = members.get(id);
  if (member === undefined) throw new Error(`no member ${id}`);
  return member;
}

function see({ seen, peers }: Member, from: string, message: PeerMessage): void {
  if (message.kind === 'snapshotReply') seen.acknowledged += 1;
  if (message.kind !== 'snapshotChunk') return;
  const { number, part } = message;
  if (number !== seen.parts) seen.disorder += 1;
  seen.parts += 1;
  for (const [, , value] of part.records) seen.characters += value.length;
  peers.send(from, { kind: 'snapshotReply', term: 1, transfer: 1, number, outcome: 'next' });
}

async function open(command: Extract<ChildCommand, { readonly do: 'open' }>): Promise<void> {
  const seen: Seen = {
    parts: 0,
    acknowledged: 0,
    characters: 0,
    disorder: 0,
    unreachable: 0,
    refusals: [],
  };
  const peers = await openPeers({
    clock: { ...systemClock, wallMs: () => command.wallMs },
    log: silentLogger(),
    listen: { host: command.host, port: 0 },
    credentials: command.credentials,
    members: [],
    hello: () => command.hello,
    judge: ({ memberId }) => {
      const code = command.refuse[memberId];
      return code === undefined ? undefined : new FairleadError(code, 'refused by a test');
    },
    onMessage: (from, message) => see(find(command.hello.memberId), from, message),
    onRequest: async (from, request) => ({ from, request }),
    onUnreachable: () => (seen.unreachable += 1),
    onRefused: ({ code }) => seen.refusals.push(code),
    ...(command.authority === undefined ? {} : { onJoin: letIn(command.authority) }),
  });
  members.set(command.hello.memberId, { peers, seen });
}

function letIn(authority: Authority): JoinJudge {
  return async ({ publicKey, facts }) => {
    const { clusterId, memberId } = facts as MemberName;
    const name = { clusterId, memberId, publicKey, wallMs: 0 };
    const certificate = issueCertificate(authority, name);
    return { clusterId, certificate, authorities: [authority.certificate], welcome: 'welcome' };
  };
}

/** Gives the credentials that it got. */
async function join(token: JoinToken, memberId: string): Promise<PeerCredentials> {
  const keys = makeKeyPair();
  const { certificate, authorities } = await requestJoin({
    token,
    keys,
    facts: { clusterId: token.clusterId, memberId },
    clock: systemClock,
    timeoutMs: 0,
    signal: new AbortController().signal,
  });
  return { privateKey: keys.privateKey, certificate, authorities, enforceDates: false };
}

/** Parts of a snapshot, a few under way at a time: each is acknowledged by the other side. */
async function sendParts(id: string, to: string, count: number, bytes: number): Promise<void> {
  const { peers, seen } = find(id);
  const value = 'x'.repeat(bytes);
  for (let number = 0; number < count; number += 1) {
    while (number - seen.acknowledged >= partsUnderWay) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    peers.send(to, {
      kind: 'snapshotChunk',
      term: 1,
      transfer: 1,
      number,
      base: { at: { index: 1, term: 1 }, config: { voters: [], learners: [], witnesses: [] } },
      part: { rows: [], records: [['sessions', 'k', value]] },
      head: undefined,
    });
  }
}

function report(id: string): ChildReport {
  const { peers, seen } = find(id);
  return {
    ...seen,
    port: peers.address?.port ?? 0,
    states: peers.states().map(({ member, connected, connection, lastError }) => ({
      member,
      connected,
      fingerprint: connection?.certificate.fingerprint,
      outOfDate: connection?.certificate.outOfDate,
      error: lastError?.code,
    })),
    rssBytes: process.memoryUsage().rss,
  };
}

async function run(command: ChildCommand): Promise<unknown> {
  switch (command.do) {
    case 'open':
      return open(command);
    case 'join':
      return join(command.token, command.as);
    case 'members':
      return find(command.id).peers.setMembers(command.members);
    case 'rotate':
      return find(command.id).peers.rotate(command.credentials);
    case 'disconnect': {
      const error = new FairleadError(command.code, 'told by a test');
      return find(command.id).peers.disconnect(command.from, error);
    }
    case 'parts':
      return sendParts(command.id, command.to, command.count, command.bytes);
    case 'request':
      return find(command.id).peers.request(command.to, command.payload, { timeoutMs: 10_000 });
    case 'report':
      return report(command.id);
    case 'close': {
      const { peers } = find(command.id);
      members.delete(command.id);
      return peers.close();
    }
  }
}

async function answer(line: string): Promise<void> {
  const { number, command } = JSON.parse(line) as { number: number; command: ChildCommand };
  let outcome: object;
  try {
    outcome = { number, result: (await run(command)) ?? null };
  } catch (thrown) {
    const { code, message } = asFairleadError(thrown);
    outcome = { number, code, message };
  }
  process.stdout.write(`${JSON.stringify(outcome)}\n`);
}

createInterface({ input: process.stdin })
  .on('line', (line) => void answer(line))
  .on('close', () => process.exit(0));

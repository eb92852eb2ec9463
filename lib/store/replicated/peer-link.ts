/**
 * This member among the others: who may connect, what is said and answered, and what it means to be
 * refused. Everything that a connection needs to know of the cluster is asked of `ClusterView` at that
 * moment, because members come and go.
 */
import { FairleadError } from '../../errors.ts';
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../log.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import type { Member } from '../membership/rows.ts';
import { parseAddress } from '../peer/address.ts';
import type { Hello } from '../peer/hello.ts';
import type { JoinJudge } from '../peer/join-server.ts';
import { openPeers, type PeerMember, type Peers } from '../peer/peers.ts';
import type { PeerCredentials } from '../peer/secure.ts';
import type { MemberId } from '../raft/entry.ts';
import type { ReplicatedEngine } from './engine.ts';
import type { PeerFile } from './peer-file.ts';
import { answerRequest, type RequestAnswers } from './requests.ts';

/** What connections ask of the cluster. */
export interface ClusterView {
  readonly engine: ReplicatedEngine;
  readonly identity: StoreIdentity;
  readonly version: string;
  readonly name: string;
  file(): PeerFile;
  members(): readonly Member[];
  isRemoved(id: MemberId): boolean;
  /** Dates of certificates are enforced. */
  enforceDates(): boolean;
  readonly answers: RequestAnswers;
  readonly admit: JoinJudge;
  /** This member is refused by one that knows: it is out of the cluster. */
  onRefused(error: FairleadError): void;
}

/** True for a refusal that is the cluster's word; others may pass. */
export function isLasting({ code }: FairleadError): boolean {
  return code === 'MEMBER_REMOVED' || code === 'CLUSTER_EPOCH' || code === 'MEMBER_DATA_LOST';
}

/**
 * Opens the listener and begins to dial.
 * @throws SOCKET_IN_USE, SOCKET_FAILED, PEER_CERTIFICATE
 */
export async function openLink(
  view: ClusterView,
  around: { readonly clock: Clock; readonly log: Logger },
): Promise<Peers> {
  const { engine, identity } = view;
  const { listen } = view.file();
  const peers: Peers = await openPeers({
    ...around,
    hello: () => {
      const { term, last } = engine.status();
      const applied = engine.applied();
      const { version, name: host } = view;
      return { ...identity, version, host, position: { term, last, applied } };
    },
    ...(listen === undefined ? {} : { listen: parseAddress(listen) }),
    credentials: credentialsOf(view.file(), view.enforceDates()),
    members: dialTargets(view),
    judge: (hello) => judgeMember(hello, view) ?? judgePosition(hello, engine),
    onMessage: (from, message) => engine.driver.receive(from, message),
    onRequest: (from, request) => answerRequest(from, request, view.answers),
    onJoin: view.admit,
    onUnreachable: (member) => engine.driver.unreachable(member),
    onRefused: (error) => {
      if (isLasting(error)) view.onRefused(error);
    },
  });
  engine.attach({
    send: (to, message) => peers.send(to, message),
    request: (to, request, options) => peers.request(to, request, options),
  });
  return peers;
}

/** What a member shows. */
export function credentialsOf(file: PeerFile, enforceDates: boolean): PeerCredentials {
  const { privateKey, certificate, authorities } = file;
  return { privateKey, certificate, authorities, enforceDates };
}

/**
 * Whom to dial: voters dial each other, everybody else dials voters. Until the rows are here, whoever was
 * there when this host joined.
 */
export function dialTargets(view: ClusterView): readonly PeerMember[] {
  const { engine, identity } = view;
  const known = view.members();
  const voters = new Set([...engine.status().config.voters, ...engine.status().config.learners]);
  const candidates =
    known.length === 0
      ? view.file().seeds
      : known.filter(
          ({ id, role, leaving }) => voters.has(id) || (role !== 'observer' && !leaving),
        );
  return candidates
    .filter(({ id, addresses }) => id !== identity.memberId && addresses.length > 0)
    .map(({ id, addresses }) => ({ id, addresses: addresses.map(parseAddress), dial: true }));
}

/** Whether a member may take part; certificate, cluster and epoch are judged already. */
export function judgeMember(hello: Hello, view: ClusterView): FairleadError | undefined {
  const { identity } = view;
  const { memberId, host, dataId } = hello;
  if (memberId === identity.memberId) {
    return new FairleadError(
      'MEMBER_EXISTS',
      `host ${host} uses the identity of this host: its data directory is a copy`,
      { fix: 'stop it, remove its data directory and join it with a token of its own' },
    );
  }
  if (view.isRemoved(memberId)) {
    return new FairleadError('MEMBER_REMOVED', `host ${host} was removed from the cluster`);
  }
  const known = view.members();
  const member = known.find(({ id }) => id === memberId);
  if (member === undefined) {
    // a member that knows nothing yet is found by those who let it in
    if (known.length === 0 && view.file().seeds.some(({ id }) => id === memberId)) return undefined;
    return new FairleadError('MEMBER_UNKNOWN', `host ${host} is no member of the cluster`);
  }
  if (member.dataId !== dataId) {
    return new FairleadError(
      'MEMBER_DATA_LOST',
      `the data directory of host ${host} is not the one that it joined with`,
    );
  }
  return undefined;
}

/** A leader that knows of confirmed entries which a member no longer has (hazard 31). */
function judgePosition(
  { memberId, host, position }: Hello,
  engine: ReplicatedEngine,
): FairleadError | undefined {
  const { role, progress } = engine.status();
  const matched = progress.find((one) => one.member === memberId)?.matched ?? 0;
  if (role === 'leader' && matched > position.last.index) {
    return new FairleadError(
      'MEMBER_DATA_LOST',
      `host ${host} has entries up to ${position.last.index} and confirmed ${matched}: an old copy of its data directory was put back`,
    );
  }
  return undefined;
}

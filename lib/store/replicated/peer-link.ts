/**
 * This member among the others: who may connect, what is said and answered, and what it means to be
 * refused. Everything that a connection needs to know of the cluster is asked of `ClusterView` at that
 * moment, because members come and go.
 */
import { FairleadError } from '../../errors.ts';
import { memberCopyMs } from '../../limits.ts';
import type { Clock } from '../../clock.ts';
import type { Logger } from '../../log.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import type { Member } from '../membership/rows.ts';
import { parseAddress } from '../peer/address.ts';
import type { Hello } from '../peer/hello.ts';
import type { JoinJudge } from '../peer/join-server.ts';
import { openPeers, type PeerMember, type Peers, type PeerState } from '../peer/peers.ts';
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
  /** Entry and record types that the cluster uses, and that this program knows. */
  featureLevel(): number;
  readonly knownFeatures: number;
  /** Run of the process that each member was last let in from. */
  readonly runs: Map<MemberId, string>;
  peerStates(): readonly PeerState[];
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
      // the program's level, not the one that its store was made with
      const featureLevel = view.knownFeatures;
      return { ...identity, featureLevel, version, host, position: { term, last, applied } };
    },
    ...(listen === undefined ? {} : { listen: parseAddress(listen) }),
    credentials: credentialsOf(view.file(), view.enforceDates()),
    members: dialTargets(view),
    judge: (hello) => judge(hello, view, around.clock),
    onMessage: (from, message) => engine.driver.receive(from, message),
    onRequest: async (from, request) => {
      const answer = await answerRequest(from, request, view.answers);
      engine.driver.answered(from);
      return answer;
    },
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

/** Everything that is judged of a member that introduces itself. */
function judge(hello: Hello, view: ClusterView, clock: Clock): FairleadError | undefined {
  const { engine, runs } = view;
  const { memberId, run } = hello;
  const refusal =
    judgeMember(hello, view) ??
    judgeFeatures(hello, view) ??
    judgeCopy(hello, view, clock) ??
    // what a process says of itself is behind what it acknowledged meanwhile on another connection
    (runs.get(memberId) === run ? undefined : judgePosition(hello, engine)) ??
    judgeOwnPosition(hello, view);
  if (refusal === undefined) runs.set(memberId, run);
  return refusal;
}

function judgeFeatures(
  { host, version, featureLevel }: Hello,
  view: ClusterView,
): FairleadError | undefined {
  const level = view.featureLevel();
  if (featureLevel >= level) return undefined;
  return new FairleadError(
    'CLUSTER_VERSION',
    `the cluster uses feature level ${level}, version ${version} of host ${host} knows ${featureLevel}`,
  );
}

/** Two processes at once that are the same member: one has a copy of the other's data directory. */
function judgeCopy(
  { memberId, host, run }: Hello,
  view: ClusterView,
  clock: Clock,
): FairleadError | undefined {
  const state = view.peerStates().find(({ member }) => member === memberId);
  const { connection } = state ?? {};
  if (connection === undefined || connection.hello.run === run) return undefined;
  // one that was killed closes its connections; one that lost its power is silent
  if (clock.monotonicMs() - connection.heardMs >= memberCopyMs) return undefined;
  return new FairleadError(
    'MEMBER_EXISTS',
    `host ${host} is connected already from ${connection.address}: one of the two has a copy of the data directory of the other`,
    { fix: 'stop the copy, remove its data directory and join it with a token of its own' },
  );
}

/** A leader that knows of confirmed entries which a member no longer has (hazard 31). One of a later term
 *  may have them no more because another leader replaced them: then it is this one that is behind. */
function judgePosition(
  { memberId, host, position }: Hello,
  engine: ReplicatedEngine,
): FairleadError | undefined {
  const { role, term, progress } = engine.status();
  const matched = progress.find((one) => one.member === memberId)?.matched ?? 0;
  if (role === 'leader' && position.term <= term && matched > position.last.index) {
    return new FairleadError(
      'MEMBER_DATA_LOST',
      `host ${host} has entries up to ${position.last.index} and confirmed ${matched}: an old copy of its data directory was put back`,
    );
  }
  return undefined;
}

/** A sole voter that lacks what it gave to another: its own data was rolled back (hazard 33). Whatever it
 *  would acknowledge now would contradict that. */
function judgeOwnPosition({ host, position }: Hello, view: ClusterView): FairleadError | undefined {
  const { id, config, last } = view.engine.status();
  const isSole = config.voters.length === 1 && config.voters[0] === id;
  if (!isSole || position.applied <= last.index) return undefined;
  const error = new FairleadError(
    'STORE_ROLLED_BACK',
    `this host is the only voter and has entries up to ${last.index}, host ${host} has applied ${position.applied}: an old copy of the data directory was put back here`,
    {
      fix: `to go on with what ${host} has: fairlead cluster recover there; to go on without it: fairlead cluster recover here`,
      detail: { own: last, theirs: position },
    },
  );
  view.onRefused(error);
  return error;
}

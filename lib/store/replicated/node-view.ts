/**
 * What the connections and the loop of a member see of it, and what it answers to others. Everything is
 * read at the moment it is asked for: engine and peer file change under a member that joins or leaves.
 */
import { statfs } from 'node:fs/promises';
import type { FairleadError } from '../../errors.ts';
import { FairleadError as Refusal } from '../../errors.ts';
import { clusterAliveMs, featureLevelNewest } from '../../limits.ts';
import { KeyedQueue } from '../../keyed-queue.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import { planAnnounce, type MemberFacts as AnnouncedFacts } from '../membership/members.ts';
import type { Peers } from '../peer/peers.ts';
import type { MemberId } from '../raft/entry.ts';
import { runPlan } from '../run-plan.ts';
import { admit, certify, localAuthority, type AdmissionParts } from './admission.ts';
import type { ReplicatedEngine } from './engine.ts';
import type { MemberLoopParts } from './member-loop.ts';
import type { MemberRows } from './member-rows.ts';
import type { NodeOptions } from './node-options.ts';
import { certificateFacts } from './own-certificate.ts';
import type { ClusterView } from './peer-link.ts';
import type { PeerFile } from './peer-file.ts';
import type { MemberFacts, ToldOfCluster } from './requests.ts';

/** What there is of a node. */
export interface NodeParts {
  readonly options: NodeOptions;
  readonly engine: ReplicatedEngine;
  readonly identity: StoreIdentity;
  readonly rows: MemberRows;
  readonly file: PeerFile | undefined;
  readonly peers: Peers | undefined;
  readonly storeDirectory: string;
  /** Run of the process that each member was last let in from. */
  readonly runs: Map<MemberId, string>;
  spaceLow(): boolean;
  connected(): readonly MemberId[];
  present(file: PeerFile): Promise<void>;
}

/** A node as its connections and its loop see it. */
export type MemberView = ClusterView & MemberLoopParts;

/** The view of a node. */
export function memberView(node: NodeParts): MemberView {
  const admissions = new KeyedQueue();
  const { clock, log, version, hostName } = node.options;
  return {
    clock,
    log,
    version,
    name: node.file?.name ?? hostName,
    get engine() {
      return node.engine;
    },
    get identity() {
      return node.identity;
    },
    file: () => fileOf(node),
    hasFile: () => node.file !== undefined,
    present: (file) => node.present(file),
    members: () => node.rows.members(),
    learn: (told) => node.rows.learn(told),
    isRemoved: (id: MemberId) => node.rows.isRemoved(id),
    enforceDates: () => node.rows.enforceDates(),
    featureLevel: () => node.rows.featureLevel(),
    aliveMs: node.options.timing.aliveMs ?? clusterAliveMs,
    knownFeatures: node.options.featureLevel ?? featureLevelNewest,
    runs: node.runs,
    peerStates: () => node.peers?.states() ?? [],
    admission: () => admissionOf(node),
    // a crowd with one token would make each other's transactions fail
    admit: (application) =>
      admissions.run('join', () =>
        admit(application, { kind: 'token', hash: application.secretHash }, admissionOf(node)),
      ),
    onRefused: (error: FairleadError) => node.engine.retire(error),
    facts: () => announced(node),
    spaceLow: () => node.spaceLow(),
    beforeForget: async (name) => node.options.remains?.note(node.engine, name),
    connected: () => node.connected(),
    answers: {
      get driver() {
        return node.engine.driver;
      },
      facts: () => factsOf(node),
      members: () => toldOf(node),
      systemRange: (range) => node.engine.system.range(range),
      announce: (from, facts) => runPlan(node.engine.system, () => planAnnounce(from, facts)),
      authorityKey: async (from) => authorityKeyFor(from, node),
      certificate: async (from, publicKey) => certify(from, publicKey, admissionOf(node)),
    },
  };
}

/** What admission takes of a node. */
export function admissionOf(node: NodeParts): AdmissionParts {
  const { clusterId, epoch } = node.identity;
  const { engine, options } = node;
  return {
    engine,
    clock: options.clock,
    clusterId,
    epoch,
    sealKey: () => node.file?.sealKey,
    isConnected: (id) => node.connected().includes(id),
  };
}

function fileOf(node: NodeParts): PeerFile {
  if (node.file !== undefined) return node.file;
  throw new Refusal('CLUSTER_SINGLE', 'this host is alone');
}

/** What a node says of itself. */
export async function factsOf(node: NodeParts): Promise<MemberFacts> {
  const { engine, options, storeDirectory } = node;
  const disk = await statfs(storeDirectory).catch(() => undefined);
  return {
    version: options.version,
    applied: engine.applied(),
    persisted: engine.status().persisted,
    revision: engine.revision(),
    stallMs: engine.driver.gauges.stallMs,
    ...(disk === undefined ? {} : { diskFreeBytes: disk.bavail * disk.bsize }),
  };
}

/** What a witness, which has no rows, is told of the cluster. */
function toldOf({ rows, engine }: NodeParts): ToldOfCluster {
  const authorities = localAuthority(engine)?.certificates ?? [];
  return { members: [...rows.members()], authorities, featureLevel: rows.featureLevel() };
}

/** What a member says of itself in its row. Of its certificate only when it has it, durably: the one
 *  before is trusted until all have said so. */
function announced({ options, file }: NodeParts): AnnouncedFacts {
  const { version, featureLevel = featureLevelNewest } = options;
  if (file === undefined) return { version, featureLevel };
  const { endsAtMs, pin } = certificateFacts(file.certificate, file.authorities);
  return {
    version,
    featureLevel,
    addresses: [...file.advertise],
    certificateEndsAtMs: endsAtMs,
    ...(pin === undefined ? {} : { certificatePin: pin }),
  };
}

/** The key that opens the authority's; for members that let hosts in. */
function authorityKeyFor(from: MemberId, node: NodeParts): string {
  const member = node.rows.members().find(({ id }) => id === from);
  const key = node.file?.sealKey;
  if (key !== undefined && member !== undefined && member.role === 'voter' && !member.leaving) {
    return key;
  }
  throw new Refusal('PEER_REFUSED', `member ${from} is no voter`);
}

/**
 * What the connections and the loop of a member see of it, and what it answers to others. Everything is
 * read at the moment it is asked for: engine and peer file change under a member that joins or leaves.
 */
import { statfs } from 'node:fs/promises';
import type { FairleadError } from '../../errors.ts';
import { FairleadError as Refusal } from '../../errors.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import type { Member } from '../membership/rows.ts';
import type { MemberId } from '../raft/entry.ts';
import { admit, certify, type AdmissionParts } from './admission.ts';
import type { ReplicatedEngine } from './engine.ts';
import type { MemberLoopParts } from './member-loop.ts';
import type { MemberRows } from './member-rows.ts';
import type { NodeOptions } from './node.ts';
import type { ClusterView } from './peer-link.ts';
import type { PeerFile } from './peer-file.ts';
import type { MemberFacts } from './requests.ts';

/** What there is of a node. */
export interface NodeParts {
  readonly options: NodeOptions;
  readonly engine: ReplicatedEngine;
  readonly identity: StoreIdentity;
  readonly rows: MemberRows;
  readonly file: PeerFile | undefined;
  readonly storeDirectory: string;
  spaceLow(): boolean;
  connected(): readonly MemberId[];
  present(file: PeerFile): Promise<void>;
}

/** A node as its connections and its loop see it. */
export type MemberView = ClusterView & MemberLoopParts;

/** The view of a node. */
export function memberView(node: NodeParts): MemberView {
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
    learn: (members: readonly Member[]) => node.rows.learn(members),
    isRemoved: (id: MemberId) => node.rows.isRemoved(id),
    enforceDates: () => node.rows.enforceDates(),
    admission: () => admissionOf(node),
    admit: (application) =>
      admit(application, { kind: 'token', hash: application.secretHash }, admissionOf(node)),
    onRefused: (error: FairleadError) => node.engine.retire(error),
    facts: () => ({ version, addresses: [...(node.file?.advertise ?? [])] }),
    spaceLow: () => node.spaceLow(),
    connected: () => node.connected(),
    answers: {
      get driver() {
        return node.engine.driver;
      },
      facts: () => factsOf(node),
      members: () => node.rows.members(),
      authorityKey: async (from) => authorityKeyFor(from, node),
      certificate: (from, publicKey) => certify(from, publicKey, admissionOf(node)),
    },
  };
}

/** What admission takes of a node. */
export function admissionOf(node: NodeParts): AdmissionParts {
  const { clusterId, epoch } = node.identity;
  const { engine, options } = node;
  return { engine, clock: options.clock, clusterId, epoch, sealKey: () => node.file?.sealKey };
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

/** The key that opens the authority's; for members that vote. */
function authorityKeyFor(from: MemberId, node: NodeParts): string {
  const member = node.rows.members().find(({ id }) => id === from);
  const key = node.file?.sealKey;
  if (key !== undefined && member !== undefined && member.role !== 'observer' && !member.leaving) {
    return key;
  }
  throw new Refusal('PEER_REFUSED', `member ${from} is no voter`);
}

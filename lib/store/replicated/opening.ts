/**
 * What a host keeps of its membership on the disk, and how it is opened: the store that belongs to the peer
 * file, or a new one where that is right. Each step leaves what the next start understands, whichever step
 * it was interrupted at.
 *
 *     <data-dir>/store/              the store
 *     <data-dir>/peer.json           who this host is to others
 *     <data-dir>/joining.json        the key and data id of a join that is under way
 *     <data-dir>/leaving             this host has left its cluster; its store is about to be put aside
 *     <data-dir>/out-of-service      why the store may not serve, until the host is recovered
 */
import { access, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { FairleadError } from '../../errors.ts';
import { featureLevelNewest } from '../../limits.ts';
import type { StoreIdentity } from '../driver/storage.ts';
import { isSystemError } from '../level/durable-file.ts';
import { quarantineStore } from '../level/quarantine.ts';
import { configEmpty } from '../raft/config.ts';
import type { MemberId } from '../raft/entry.ts';
import type { RaftStatus } from '../raft/step.ts';
import type { ReplicatedEngine } from './engine.ts';
import { MemberRows } from './member-rows.ts';
import { newCluster, newMember, openMemberStore } from './member-store.ts';
import type { NodeOptions } from './node-options.ts';
import { readOutOfService } from './out-of-service.ts';
import { readPeerFile, writePeerFile, type PeerFile } from './peer-file.ts';
import { dropPendingOf } from './pending.ts';

/** Where a host keeps what. */
export interface NodePaths {
  readonly store: string;
  readonly peer: string;
  readonly joining: string;
  readonly leaving: string;
  readonly outOfService: string;
}

/** The paths in a data directory. */
export function pathsIn(dataDirectory: string): NodePaths {
  return {
    store: join(dataDirectory, 'store'),
    peer: join(dataDirectory, 'peer.json'),
    joining: join(dataDirectory, 'joining.json'),
    leaving: join(dataDirectory, 'leaving'),
    outOfService: join(dataDirectory, 'out-of-service'),
  };
}

/** A member's store at work, with what belongs to it. */
export interface Opened {
  readonly engine: ReplicatedEngine;
  readonly identity: StoreIdentity;
  readonly rows: MemberRows;
  readonly file: PeerFile | undefined;
  readonly spaceLow: () => boolean;
}

/**
 * Opens the store that belongs to the peer file, or makes it where that is right.
 * @throws STORE_* as opening does
 */
export async function openAll(
  paths: NodePaths,
  options: NodeOptions,
  connected: () => readonly MemberId[],
): Promise<Opened> {
  const { clock, limits, between } = options;
  const log = options.log.child({ part: 'store' });
  let file = await readPeerFile(paths.peer);
  // a key that was used is never used again: the member with no data would be taken for the one with
  if (file !== undefined) await dropPendingOf(paths.joining, file.memberId);
  if (file !== undefined && !file.storeMade) await putOtherAside(paths, file, options);
  let consensus: Pick<RaftStatus, 'config' | 'leader'> = { config: configEmpty, leader: undefined };
  const create =
    file === undefined ? newCluster() : file.storeMade ? undefined : newMember(file, file.founder);
  const member = await openMemberStore({
    directory: paths.store,
    clock,
    log,
    timing: options.timing,
    isWitness: file?.role === 'witness',
    sources: () => feeders(connected(), consensus),
    onStatus: (status) => {
      consensus = status;
    },
    onFatal: options.onFatal,
    ...(limits === undefined ? {} : { limits }),
    ...(create === undefined ? {} : { create }),
  });
  const rows = new MemberRows(member.engine);
  try {
    checkOwner(member.identity, file, { engine: member.engine, rows });
    checkFeatures(rows, options);
    if (file !== undefined && !file.storeMade) {
      await between?.('join: store made');
      file = { ...file, storeMade: true };
      await writePeerFile(paths.peer, file);
      await between?.('join: store vouched for');
    }
    const refusal = await readOutOfService(paths.outOfService);
    if (refusal !== undefined) member.engine.retire(refusal);
  } catch (error) {
    await member.engine.close();
    throw error;
  }
  return { ...member, file, rows };
}

/** Who may feed an observer, the best first: voters that do not lead, then the leader. Not another
 *  observer: two could feed each other. */
function feeders(
  connected: readonly MemberId[],
  { config, leader }: Pick<RaftStatus, 'config' | 'leader'>,
): readonly MemberId[] {
  const { voters, witnesses } = config;
  const isKnown = voters.some((id) => connected.includes(id));
  return connected
    .filter((id) => !witnesses.includes(id) && (!isKnown || voters.includes(id)))
    .toSorted((one, other) => Number(one === leader) - Number(other === leader));
}

/** A host that was let into a cluster puts the store that it had aside, once. */
async function putOtherAside(
  { store }: NodePaths,
  file: PeerFile,
  { clock, log, between }: NodeOptions,
): Promise<void> {
  const found = await textOf(join(store, 'identity'));
  // without an identity it is what an interrupted creation or a loss has left
  if (found === undefined ? !(await isThere(join(store, 'db'))) : found.includes(file.dataId)) {
    return;
  }
  const kept = await quarantineStore({
    directory: store,
    reason: `this host joined cluster ${file.clusterId} as member ${file.memberId}`,
    clock,
  });
  log.info({ kept }, 'the store from before joining is kept');
  await between?.('join: store put aside');
}

/** The store and the peer file must be of one member: a copy or a mix is never served. */
function checkOwner(
  identity: StoreIdentity,
  file: PeerFile | undefined,
  { engine, rows }: { readonly engine: ReplicatedEngine; readonly rows: MemberRows },
): void {
  const { memberId, dataId, clusterId } = identity;
  if (file === undefined) {
    const { config } = engine.status();
    const isSole = config.voters.length === 1 && config.voters[0] === memberId;
    if (isSole && rows.members().length < 2) return;
    throw new FairleadError('STORE_LOST', 'the store was lost: its peer.json is missing', {
      fix: 'put peer.json back from a backup; or move the data directory aside, remove this host from its cluster and join again',
    });
  }
  if (file.memberId === memberId && file.dataId === dataId && file.clusterId === clusterId) return;
  // not a loss: asking to be let in again with this file would cost another host its membership
  throw new FairleadError(
    'STORE_FOREIGN',
    'the store and peer.json of this host belong to different members',
    { detail: { identity, memberId: file.memberId, dataId: file.dataId } },
  );
}

/** A program that does not know what the cluster uses already must not touch it (hazard 37). */
function checkFeatures(rows: MemberRows, { featureLevel = featureLevelNewest }: NodeOptions): void {
  const wanted = rows.featureLevel();
  if (wanted <= featureLevel) return;
  throw new FairleadError(
    'STORE_TOO_NEW',
    `the cluster uses feature level ${wanted}, this version knows ${featureLevel}`,
  );
}

/** Finishes a leave that was interrupted: puts the store aside and forgets who this host was. */
export async function finishLeaving(
  paths: NodePaths,
  { clock, log, between }: NodeOptions,
): Promise<void> {
  const dataId = (await textOf(paths.leaving))?.trim();
  if (dataId === undefined) return;
  const found = await textOf(join(paths.store, 'identity'));
  if (found?.includes(dataId) === true) {
    const kept = await quarantineStore({
      directory: paths.store,
      reason: 'this host left its cluster',
      clock,
    });
    log.info({ kept }, 'the store of the cluster that was left is kept');
  }
  await between?.('leave: store put aside');
  await rm(paths.peer, { force: true });
  await rm(paths.joining, { force: true });
  await rm(paths.outOfService, { force: true });
  await between?.('leave: peer file removed');
  await rm(paths.leaving, { force: true });
  await between?.('leave: forgotten');
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** What a file says; undefined without it. */
async function textOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return undefined;
    throw error;
  }
}

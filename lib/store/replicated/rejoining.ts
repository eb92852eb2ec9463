/**
 * Coming back after the data was lost. A member whose store is damaged or gone is never that member again:
 * it may have voted and acknowledged what it does not remember (hazards 30 to 32). What it still has is its
 * key. With that it asks the others to let a new member in under its name, with its role, in place of the
 * one that is lost; that one leaves. Nobody can be asked for what only this host had: a sole voter has no
 * other way than a backup.
 */
import { asFairleadError, FairleadError, type ErrorCode } from '../../errors.ts';
import { featureLevelNewest, joinRetryMs, rejoinTimeoutMs } from '../../limits.ts';
import { keyFingerprint } from '../peer/authority.ts';
import { parseAddress } from '../peer/address.ts';
import { requestJoin } from '../peer/join-client.ts';
import type { Joined } from '../peer/join-grant.ts';
import { makeJoinSecret } from '../peer/token.ts';
import { welcomeSchema, type JoinFacts } from './admission.ts';
import { proveMember } from './member-proof.ts';
import type { NodeOptions } from './node-options.ts';
import type { NodePaths } from './opening.ts';
import type { PeerFile } from './peer-file.ts';
import { keepPending, keysOf, readPending, type Pending } from './pending.ts';

/** Whether there is anybody to ask. */
export function mayRejoin(file: PeerFile | undefined): file is PeerFile {
  return file !== undefined && file.seeds.some(({ addresses }) => addresses.length > 0);
}

/**
 * Has this host let in again as a new member; answers what its peer file is to be. Asked again with the
 * same key after a crash, so that one member comes of it.
 * @throws MEMBER_REMOVED, CLUSTER_*, PEER_UNREACHABLE, QUORUM_LOST, …
 */
export async function replaceMember(
  file: PeerFile,
  paths: NodePaths,
  { options, signal }: { readonly options: NodeOptions; readonly signal: AbortSignal },
): Promise<PeerFile> {
  const pending = await keepPending(paths.joining, await readPending(paths.joining));
  await options.between?.('rejoin: key kept');
  const joined = await askAround(file, pending, { options, signal });
  await options.between?.('rejoin: let in');
  const { epoch, role, seeds, founder } = welcomeSchema.parse(joined.welcome);
  const { memberId, certificate, authorities } = joined;
  const { sealKey: _, ...rest } = file;
  return {
    ...rest,
    epoch,
    memberId,
    dataId: pending.dataId,
    storeMade: false,
    role,
    privateKey: pending.privateKey,
    certificate,
    authorities: [...authorities],
    ...(founder === undefined ? {} : { founder }),
    seeds: seeds.filter(({ id }) => id !== file.memberId),
  };
}

/** Asks each member that may let hosts in, again and again for a while: some may be down, or vote only. */
async function askAround(
  file: PeerFile,
  pending: Pending,
  around: { readonly options: NodeOptions; readonly signal: AbortSignal },
): Promise<Joined> {
  const { clock } = around.options;
  const deadlineMs = clock.monotonicMs() + rejoinTimeoutMs;
  let last: FairleadError | undefined;
  for (;;) {
    for (const { addresses } of file.seeds) {
      if (addresses.length === 0) continue;
      try {
        return await askAt(addresses, file, { pending, ...around });
      } catch (thrown) {
        around.signal.throwIfAborted();
        const error = asFairleadError(thrown);
        if (isFinal(error)) throw error;
        last = error;
      }
    }
    if (clock.monotonicMs() >= deadlineMs) {
      throw last ?? new FairleadError('PEER_UNREACHABLE', 'no other member is known');
    }
    await clock.sleep(joinRetryMs, around.signal);
  }
}

/** What asking others, or again, does not change. */
function isFinal({ code }: FairleadError): boolean {
  const final: readonly ErrorCode[] = [
    'MEMBER_REMOVED',
    'CLUSTER_OTHER',
    'CLUSTER_VERSION',
    'PEER_CERTIFICATE',
    'INTERNAL',
  ];
  return final.includes(code);
}

function askAt(
  addresses: readonly string[],
  file: PeerFile,
  {
    pending,
    options,
    signal,
  }: { readonly pending: Pending; readonly options: NodeOptions; readonly signal: AbortSignal },
): Promise<Joined> {
  return requestJoin({
    token: {
      clusterId: file.clusterId,
      pin: keyFingerprint(file.authorities[0] ?? ''),
      // nobody knows it: the proof is what counts
      secret: makeJoinSecret(),
      expiresMs: 0,
      role: file.role,
      addresses: addresses.map(parseAddress),
    },
    keys: keysOf(pending),
    facts: factsOf(file, pending, options),
    clock: options.clock,
    timeoutMs: 0,
    signal,
  });
}

function factsOf(
  file: PeerFile,
  pending: Pending,
  { version, featureLevel = featureLevelNewest }: NodeOptions,
): JoinFacts {
  const { name, clusterId, memberId, certificate, privateKey, advertise } = file;
  const { publicKey, dataId } = pending;
  const proof = proveMember(privateKey, { clusterId, lost: memberId, publicKey, dataId });
  return {
    ...{ name, dataId, addresses: advertise, version, featureLevel },
    replaces: { certificate, proof },
  };
}

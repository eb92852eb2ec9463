/** Opening a host to others: listener, authority, certificate, peer file; and where hosts may come in. */
import { FairleadError, hasCode } from '../../errors.ts';
import { joinAddressesMax } from '../../limits.ts';
import { planAnnounce } from '../membership/members.ts';
import { membersOf } from '../membership/read.ts';
import { authorityKey, memberRange } from '../membership/rows.ts';
import { planAuthority, planReplaceAuthority } from '../membership/tokens.ts';
import { issueCertificate, makeAuthority, makeKeyPair } from '../peer/authority.ts';
import { makeSealKey, seal } from '../peer/sealed.ts';
import { runPlan } from '../run-plan.ts';
import { localAuthority } from './admission.ts';
import type { ListenWish } from './cluster.ts';
import type { ClusterNode } from './node.ts';
import { advertised, listenDefault } from './own-addresses.ts';
import type { PeerFile } from './peer-file.ts';

/**
 * Opens the listener, or moves it; makes authority, certificate and peer file where there are none.
 * @throws ADDRESS_INVALID, SOCKET_FAILED (nothing has changed), and what writing to the store throws
 */
export async function goPublic(node: ClusterNode, wish: ListenWish): Promise<PeerFile> {
  const { retired } = node.engine;
  if (retired !== undefined) throw retired;
  const before = node.file;
  const listen = wish.listen ?? before?.listen ?? listenDefault;
  const kept = wish.listen === undefined ? before?.advertise : undefined;
  const advertise = [...(wish.advertise ?? kept ?? advertised(listen))];
  if (advertise.length === 0) {
    throw new FairleadError('ADDRESS_INVALID', 'this host has no address that others could use', {
      fix: 'give one with --advertise ADDRESS:PORT',
    });
  }
  const file: PeerFile = { ...(before ?? (await firstFile(node))), listen, advertise };
  await node.present(file);
  const { memberId } = node.identity;
  const announce = () => planAnnounce(memberId, { addresses: advertise });
  await runPlan(node.engine.system, announce).catch((error: unknown) => {
    // a host whose address changed must be able to say so before the others are there: the loop tells them
    if (before === undefined || !hasCode(error, 'QUORUM_LOST')) throw error;
  });
  return file;
}

async function firstFile(node: ClusterNode): Promise<Omit<PeerFile, 'listen' | 'advertise'>> {
  const { engine, identity, options, rows } = node;
  const { clusterId, epoch, memberId, dataId } = identity;
  const wallMs = options.clock.wallMs();
  const made = makeAuthority(clusterId, wallMs);
  const sealKey = makeSealKey();
  const sealedKey = seal(sealKey, authorityKey, made.privateKey);
  const fresh = { certificates: [made.certificate], sealedKey };
  // one that an interrupted init has left cannot be opened by anybody
  const left = localAuthority(engine);
  if (left === undefined) await runPlan(engine.system, () => planAuthority(fresh));
  else await runPlan(engine.system, () => planReplaceAuthority(left, fresh));
  const { privateKey, publicKey } = makeKeyPair();
  return {
    format: 1,
    ...{ clusterId, epoch, memberId, dataId },
    storeMade: true,
    name: rows.members()[0]?.name ?? options.hostName,
    role: 'voter',
    privateKey,
    certificate: issueCertificate(made, { clusterId, memberId, publicKey, wallMs }),
    authorities: [made.certificate],
    sealKey,
    seeds: [],
  };
}

/**
 * Where hosts may come in: addresses of voters, this host first if it is one.
 * @throws CLUSTER_CHANGE when no voter can be reached
 */
export async function doorsOf(node: ClusterNode, file: PeerFile): Promise<readonly string[]> {
  const { rows } = await node.engine.system.range(memberRange);
  const voters = membersOf(rows)
    .map(({ value }) => value)
    .filter(({ role, leaving }) => role === 'voter' && !leaving);
  const own = file.sealKey === undefined ? [] : file.advertise;
  const all = [...own, ...voters.flatMap(({ addresses }) => addresses)];
  if (all.length > 0) return [...new Set(all)].slice(0, joinAddressesMax);
  throw new FairleadError('CLUSTER_CHANGE', 'no voter has an address that others could use', {
    fix: 'on a voter: fairlead cluster init --advertise ADDRESS:PORT',
  });
}

/**
 * What attachments are part of besides this host: a shared network, which an operator may be about to remove, and
 * a group. Who comes passes their guards, which whoever removes one closes before. Parts of plans, pure.
 */
import { FairleadError } from '../errors.ts';
import type { Network } from '../model/network.ts';
import { groupEndpointKey } from '../model/objects/object-keys.ts';
import { encodeRecord } from '../model/record.ts';
import { asRead, type Step, type TxnDraft } from '../store/plan.ts';
import { passGuard, readGuard } from './ipam/guard.ts';
import { networkOfGroup } from './named-by-model.ts';
import { passObjectGuard, readObjectGuard } from './objects/guards.ts';
import { leavingNetwork, readSiteNetwork } from './site-networks.ts';

/** An attachment that comes: to which Docker network, on which host. */
export interface Newcomer {
  readonly network: Network;
  readonly endpointId: string;
  readonly host: string;
}

/**
 * Adds that an attachment comes to its shared network, and to its group. Refuses with OBJECT_LEAVING when the
 * network is being removed, with REFERENCE_UNKNOWN when the group is gone.
 */
export function* enterSite(draft: TxnDraft, { network, endpointId, host }: Newcomer): Step<void> {
  const { site, group } = network;
  if (site === undefined) return;
  const guard = yield* readGuard(site);
  if ((yield* readSiteNetwork(site))?.value.leaving === true) throw leavingNetwork(site);
  passGuard(draft, guard);
  if (group === undefined) return;
  const name = { kind: 'endpointGroup', parts: [site.tenant, group] } as const;
  const own = yield* readObjectGuard(name);
  if ((yield* networkOfGroup(site.tenant, group)) !== site.network) {
    throw new FairleadError(
      'REFERENCE_UNKNOWN',
      `group ${site.tenant}:${group} of this Docker network is gone`,
      { fix: 'use the Docker network of another group' },
    );
  }
  passObjectGuard(draft, own);
  const key = groupEndpointKey(site.tenant, group, endpointId);
  draft.compare.push(asRead(key, undefined));
  draft.then.push({ op: 'put', key, value: encodeRecord({ host, network: site.network }) });
}

/** Adds that an attachment is no member of its group any more. */
export function leaveGroup(draft: TxnDraft, network: Network, endpointId: string): void {
  const { site, group } = network;
  if (site === undefined || group === undefined) return;
  draft.then.push({ op: 'delete', start: groupEndpointKey(site.tenant, group, endpointId) });
}

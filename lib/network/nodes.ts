/**
 * What each host of the cluster says of itself: where its tunnel ends, how large a packet may be on its way.
 * No two hosts end a tunnel at one address. Pure.
 */
import { FairleadError } from '../errors.ts';
import { parseAddress } from '../ip/ip.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { nodeKey, vtepKey } from '../model/site-keys.ts';
import { nodeSchema, numberOwnerSchema, type SiteNode } from '../model/site.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../store/plan.ts';
import { takeNumber } from './numbers.ts';

/** What a host says of itself. */
export type NodeFacts = Omit<SiteNode, 'number'>;

/** Notes what a host says; the first time it gets a number. Nothing is written when nothing is new. `before` is
 *  what this agent was answered the last time. Refuses with SITE_LIMIT, with VTEP_IN_USE when another host's
 *  tunnel ends there, and with HOST_COPIED when another machine has listed itself by this name meanwhile. */
export function* planAnnounceNode(facts: NodeFacts, before?: SiteNode): Plan<SiteNode> {
  const key = nodeKey(facts.name);
  const [row] = (yield { start: key }).rows;
  const stored = row && decodeRecord(nodeSchema, row);
  if (before !== undefined && stored !== undefined && stored.value.bootId !== before.bootId) {
    throw new FairleadError(
      'HOST_COPIED',
      `a machine at ${stored.value.vtep} says that it is ${facts.name}, as this one does`,
    );
  }
  const draft: TxnDraft = { compare: [asRead(key, stored)], then: [] };
  yield* claimVtep(draft, facts, stored?.value.vtep);
  const number = stored?.value.number ?? (yield* takeNumber(draft, 'node', facts.name));
  // in the schema's order, in which rows compare as texts
  const node = nodeSchema.parse({ ...facts, number });
  const value = encodeRecord(node);
  if (value !== row?.value) draft.then.push({ op: 'put', key, value });
  return { txn: draft.then.length === 0 ? undefined : draft, answer: node };
}

/** Takes the address for the host, and lets go of the one it had. */
function* claimVtep(draft: TxnDraft, facts: NodeFacts, before: string | undefined): Step<void> {
  if (before !== undefined && before !== facts.vtep) {
    draft.then.push({ op: 'delete', start: vtepKey(parseAddress(before)) });
  }
  const key = vtepKey(parseAddress(facts.vtep));
  const [row] = (yield { start: key }).rows;
  const claim = row && decodeRecord(numberOwnerSchema, row);
  const owner = claim?.value.owner;
  if (owner === facts.name) return;
  if (owner !== undefined) {
    throw new FairleadError(
      'VTEP_IN_USE',
      `the tunnel of host ${owner} ends at ${facts.vtep}, so that of ${facts.name} cannot`,
    );
  }
  draft.compare.push(asRead(key, claim));
  draft.then.push({ op: 'put', key, value: encodeRecord({ owner: facts.name }) });
}

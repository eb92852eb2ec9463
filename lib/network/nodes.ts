/**
 * Hosts of the cluster: what each says of itself, and what becomes of all that one had when it is removed.
 * Pure.
 */
import { endpointRange, heldRange, networkRange, sharedPoolRange } from '../model/keys.ts';
import { endpointSchema } from '../model/endpoint.ts';
import { networkSchema } from '../model/network.ts';
import { heldAddressSchema, poolId, sharedPoolSchema } from '../model/pool.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { nodeKey, numberKey } from '../model/site-keys.ts';
import { nodeSchema, type SiteNode } from '../model/site.ts';
import type { KeyRange, KeyValue } from '../store/port.ts';
import { asRead, type Plan, type Step, type TxnDraft } from '../store/plan.ts';
import { planNetworkRemoval } from './calls.ts';
import { planDeleteEndpoint } from './endpoints.ts';
import { planAddressRelease, planPoolRelease } from './ipam/calls.ts';
import { takeNumber } from './numbers.ts';

/** What a host says of itself. */
export type NodeFacts = Omit<SiteNode, 'number'>;

/** Notes what a host says; the first time it gets a number. Nothing is written when nothing is new. Refuses
 *  with SITE_LIMIT. */
export function* planAnnounceNode(facts: NodeFacts): Plan<SiteNode> {
  const key = nodeKey(facts.name);
  const [row] = (yield { start: key }).rows;
  const stored = row && decodeRecord(nodeSchema, row);
  const draft: TxnDraft = { compare: [asRead(key, stored)], then: [] };
  const number = stored?.value.number ?? (yield* takeNumber(draft, 'node', facts.name));
  // in the schema's order, in which rows compare as texts
  const node = nodeSchema.parse({ ...facts, number });
  const value = encodeRecord(node);
  if (value === row?.value) return { txn: undefined, answer: node };
  draft.then.push({ op: 'put', key, value });
  return { txn: draft, answer: node };
}

/** Whether a removal is finished, or has to be planned and run again for the rest. */
export interface NodeRemoval {
  readonly done: boolean;
}

/**
 * Removes a host that does nothing any more (it is fenced, or gone for good) with all that it had in shared
 * networks: endpoints, its parts of networks, pools and addresses, then its row and number. Plan and run it
 * until it answers `done`, on the removed host's part of the store (`prefixed` with its `hostPrefix`): what
 * it had is what it noted for itself.
 */
export function* planRemoveNode(name: string): Plan<NodeRemoval> {
  const more: NodeRemoval = { done: false };
  const endpoint = yield* firstOf(endpointRange);
  if (endpoint !== undefined) {
    const { value } = decodeRecord(endpointSchema, endpoint);
    const { txn } = yield* planDeleteEndpoint(value.networkId, value.id);
    return { txn, answer: more };
  }
  const network = yield* firstOf(networkRange);
  if (network !== undefined) {
    const { value } = decodeRecord(networkSchema, network);
    const { txn } = yield* planNetworkRemoval(value.id, name);
    return { txn, answer: more };
  }
  const pool = yield* firstOf(sharedPoolRange);
  if (pool !== undefined) {
    const { value } = decodeRecord(sharedPoolSchema, pool);
    const { txn } = yield* planPoolRelease(poolId(value), name);
    return { txn, answer: more };
  }
  const held = yield* firstOf(heldRange);
  if (held !== undefined) {
    const { value } = decodeRecord(heldAddressSchema, held);
    const { txn } = yield* planAddressRelease(
      { poolId: poolId(value), address: value.address },
      name,
    );
    return { txn, answer: more };
  }
  return yield* removeRow(name);
}

function* removeRow(name: string): Plan<NodeRemoval> {
  const key = nodeKey(name);
  const [row] = (yield { start: key }).rows;
  if (row === undefined) return { txn: undefined, answer: { done: true } };
  const { value, modRevision } = decodeRecord(nodeSchema, row);
  return {
    txn: {
      compare: [asRead(key, { modRevision })],
      then: [
        { op: 'delete', start: key },
        { op: 'delete', start: numberKey('node', value.number) },
      ],
    },
    answer: { done: true },
  };
}

function* firstOf(range: Required<KeyRange>): Step<KeyValue | undefined> {
  return (yield { ...range, limit: 1 }).rows[0];
}

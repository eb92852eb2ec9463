/**
 * A host that is removed for good. First it is marked, and from then on it writes nothing more
 * (`lib/host/fence.ts` compares the mark in each of its transactions); then all that it had goes, step by step,
 * by whichever agent sees the mark; with the last step the mark goes. What it had in shared networks is what it
 * noted for itself, so no other host's rows are gone through. Pure.
 */
import { removalPageRows } from '../limits.ts';
import {
  endpointRange,
  heldRange,
  networkRange,
  ownRange,
  sharedPoolRange,
} from '../model/keys.ts';
import { endpointSchema } from '../model/endpoint.ts';
import { networkSchema } from '../model/network.ts';
import { heldAddressSchema, poolId, sharedPoolSchema } from '../model/pool.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { hostHitsRange, nodeKey, numberKey, removalKey, vtepKey } from '../model/site-keys.ts';
import { nodeSchema, numberOwnerSchema, removalSchema } from '../model/site.ts';
import { parseAddress } from '../ip/ip.ts';
import type { KeyRange, KeyValue, Txn } from '../store/port.ts';
import { asRead, type Plan, type Step } from '../store/plan.ts';
import { planNetworkRemoval } from './calls.ts';
import { planDeleteEndpoint } from './endpoints.ts';
import { planAddressRelease, planPoolRelease } from './ipam/calls.ts';

/**
 * Marks a host as one that is being removed. Answers whether it is now: not one of which there is nothing. To
 * be run on the host's part of the store (`prefixed` with its `hostPrefix`).
 */
export function* planMarkRemoval(name: string): Plan<boolean> {
  const key = removalKey(name);
  const [mark] = (yield { start: key }).rows;
  if (mark !== undefined) return { txn: undefined, answer: true };
  const node = nodeKey(name);
  const [row] = (yield { start: node }).rows;
  const hasNone =
    (yield* firstOf(ownRange)) === undefined && (yield* firstOf(hostHitsRange(name))) === undefined;
  if (row === undefined && hasNone) return { txn: undefined, answer: false };
  return {
    txn: {
      compare: [asRead(key, undefined)],
      then: [{ op: 'put', key, value: encodeRecord({ host: name }) }],
    },
    answer: true,
  };
}

/** Whether a removal is finished, or has to be planned and run again for the rest. */
export interface NodeRemoval {
  readonly done: boolean;
}

/**
 * The next step of the removal of a marked host: its endpoints, its parts of networks, pools and addresses, what
 * else it noted, and with the mark its row, number and tunnel address. Plan and run it until it answers `done`,
 * on the host's part of the store. Any number of agents may; one whose step comes late changes nothing.
 */
export function* planRemoveNode(name: string): Plan<NodeRemoval> {
  const key = removalKey(name);
  const [row] = (yield { start: key }).rows;
  if (row === undefined) return { txn: undefined, answer: { done: true } };
  const mark = decodeRecord(removalSchema, row);
  const step = (yield* nextStep(name)) ?? (yield* lastStep(name));
  const compare = [asRead(key, mark), ...step.compare];
  return { txn: { ...step, compare }, answer: { done: false } };
}

/** What is left of the host, in the order in which one thing refers to another. */
function* nextStep(name: string): Step<Txn | undefined> {
  const endpoint = yield* firstOf(endpointRange);
  if (endpoint !== undefined) {
    const { value } = decodeRecord(endpointSchema, endpoint);
    return (yield* planDeleteEndpoint(value.networkId, value.id)).txn ?? dropRow(endpoint);
  }
  const network = yield* firstOf(networkRange);
  if (network !== undefined) {
    const { value } = decodeRecord(networkSchema, network);
    return (yield* planNetworkRemoval(value.id, name)).txn ?? dropRow(network);
  }
  const pool = yield* firstOf(sharedPoolRange);
  if (pool !== undefined) {
    const { value } = decodeRecord(sharedPoolSchema, pool);
    return (yield* planPoolRelease(poolId(value), name)).txn ?? dropRow(pool);
  }
  const held = yield* firstOf(heldRange);
  if (held !== undefined) {
    const { value } = decodeRecord(heldAddressSchema, held);
    const release = { poolId: poolId(value), address: value.address };
    return (yield* planAddressRelease(release, name)).txn ?? dropRow(held);
  }
  return (yield* firstRows(hostHitsRange(name))) ?? (yield* firstRows(ownRange));
}

/** A page of rows that nothing refers to. */
function* firstRows(range: Required<KeyRange>): Step<Txn | undefined> {
  const { rows } = yield { ...range, limit: removalPageRows };
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) return undefined;
  return { compare: [], then: [{ op: 'delete', start: first.key, end: `${last.key}!` }] };
}

/** The host itself. */
function* lastStep(name: string): Step<Txn> {
  const key = nodeKey(name);
  const [row] = (yield { start: key }).rows;
  const gone = [key, removalKey(name)];
  if (row !== undefined) {
    const { value } = decodeRecord(nodeSchema, row);
    gone.push(numberKey('node', value.number));
    const claim = vtepKey(parseAddress(value.vtep));
    const [held] = (yield { start: claim }).rows;
    if (held && decodeRecord(numberOwnerSchema, held).value.owner === name) gone.push(claim);
  }
  return {
    compare: [asRead(key, row)],
    then: gone.map((start) => ({ op: 'delete', start })),
  };
}

/** A note of what is not there any more. */
const dropRow = (row: KeyValue): Txn => ({
  compare: [asRead(row.key, row)],
  then: [{ op: 'delete', start: row.key }],
});

function* firstOf(range: Required<KeyRange>): Step<KeyValue | undefined> {
  return (yield { ...range, limit: 1 }).rows[0];
}

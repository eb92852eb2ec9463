/** How often rules and defaults decided on all hosts: what each has told, added up. Changes nothing. Pure. */
import { toldHitsSchema } from '../model/hits.ts';
import { decodeRecord } from '../model/record.ts';
import { hitsRange, hostHitsRange, policyHitsRange } from '../model/site-keys.ts';
import type { Step } from '../store/plan.ts';
import type { KeyValue } from '../store/port.ts';
import { isAsked, keysOf, placeOf, type HitsAsked, type WhichOf } from './hit-book.ts';
import { readAll } from './objects/object-rows.ts';

/** What one host counted, of what is asked. */
export interface HostHits {
  readonly host: string;
  /** When it said so, by its clock: the earliest of several; undefined for what it says now. */
  readonly atMs: number | undefined;
  readonly counts: ReadonlyMap<string, number>;
}

/** What all hosts counted. */
export interface SummedHits {
  /** By name of the rule, or by direction. */
  readonly counts: ReadonlyMap<string, number>;
  /** How many hosts it is of. */
  readonly hosts: number;
  /** Since when nothing was heard of the one that has said nothing for the longest time. */
  readonly atMs: number | undefined;
}

/**
 * What the next host by name has told: a read for who it is, and one of its row or few. To be asked again with that
 * host until it answers undefined; between two hosts anything may change.
 */
export function* readToldHits(
  asked: HitsAsked,
  which: WhichOf,
  after: string | undefined,
): Step<HostHits | undefined> {
  const { start } = after === undefined ? hitsRange : { start: hostHitsRange(after).end };
  const [next] = (yield { start, end: hitsRange.end, limit: 1 }).rows;
  const host = next?.key.split('/')[2];
  return host === undefined ? undefined : yield* readHost(host, asked, which);
}

function* readHost(host: string, asked: HitsAsked, which: WhichOf): Step<HostHits> {
  const counts = new Map<string, number>();
  let atMs = Infinity;
  for (const row of yield* rowsOf(host, asked)) {
    const { value } = decodeRecord(toldHitsSchema, row);
    for (const [name, of, hits] of value.counts) {
      const place = placeOf(row.key, name);
      if (place === undefined || !isAsked(asked, place) || which(place) !== of) continue;
      counts.set(name, hits);
      atMs = Math.min(atMs, value.atMs);
    }
  }
  return { host, atMs, counts };
}

function* rowsOf(host: string, asked: HitsAsked): Step<readonly KeyValue[]> {
  if (asked.kind === 'policy') return yield* readAll(policyHitsRange(host, asked));
  const [start = ''] = keysOf(host, asked);
  return (yield { start }).rows;
}

/** All of it together. */
export function sumHits(each: Iterable<HostHits>): SummedHits {
  const counts = new Map<string, number>();
  let hosts = 0;
  let oldest = Infinity;
  for (const { atMs, counts: own } of each) {
    hosts += 1;
    oldest = Math.min(oldest, atMs ?? Infinity);
    for (const [name, hits] of own) counts.set(name, (counts.get(name) ?? 0) + hits);
  }
  return { counts, hosts, atMs: oldest === Infinity ? undefined : oldest };
}

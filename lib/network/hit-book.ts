/**
 * How often rules and defaults decided on one host, over restarts of its switch: what the switch counts is added up by
 * what came since it was looked at last. A count that is smaller than before has begun anew, so what it has come to
 * since then is not known to be new; it is left out, and the sum never says more than there was. The book knows which of
 * its rows the other hosts have not been told, in the order in which they changed. Pure.
 */
import { hitsPartsMax, hitsToldMax } from '../limits.ts';
import { toldHitsSchema, type HitPlace } from '../model/hits.ts';
import { decodeRecord, encodeRecord } from '../model/record.ts';
import { defaultHitsKey, ruleHitsKey } from '../model/site-keys.ts';
import { bareGroupOf } from '../policy/stance.ts';
import type { KeyValue, Operation } from '../store/port.ts';
import type { SiteRows } from './site-rows.ts';

/** What the switch has counted. */
export type LiveHits = HitPlace & { readonly hits: number };

/** Which rule or group of its name is meant; undefined when there is none. */
export type WhichOf = (place: HitPlace) => number | undefined;

/** Of what is asked: of a rule, of all rules of a policy, or of the default of a group or network. */
export type HitsAsked =
  | Extract<HitPlace, { kind: 'rule' }>
  | { readonly kind: 'policy'; readonly tenant: string; readonly policy: string }
  | { readonly kind: 'default'; readonly tenant: string; readonly group: string };

/** What is kept of one. */
interface Entry {
  readonly place: HitPlace;
  readonly which: number;
  readonly hits: number;
  /** What the switch had counted when it was looked at last. */
  readonly seen: number;
  /** At which look it was counting. */
  look: number;
}

interface Row {
  readonly entries: Map<string, Entry>;
  /** Goes up with each change. */
  turn: number;
}

/** A row to be written, or to be removed since nothing is left in it. */
export interface UntoldRow {
  readonly key: string;
  readonly turn: number;
  readonly operation: Operation;
}

/** How often the rules and defaults of a host decided. */
export class HitBook {
  readonly #host: string;
  readonly #rows = new Map<string, Row>();
  /** The rows that others do not know as they are, in the order in which they changed. */
  readonly #untold = new Set<string>();
  #count = 0;
  #looks = 0;

  /**
   * @param told the rows that the host has told the others
   * @throws STORE_DAMAGED
   */
  constructor(host: string, told: Iterable<KeyValue>) {
    this.#host = host;
    for (const row of told) {
      const entries = new Map<string, Entry>();
      for (const [name, which, hits, seen] of decodeRecord(toldHitsSchema, row).value.counts) {
        const place = placeOf(row.key, name);
        if (place !== undefined) entries.set(name, { place, which, hits, seen, look: 0 });
      }
      this.#rows.set(row.key, { entries, turn: 0 });
      this.#count += entries.size;
    }
  }

  /** Takes what the switch has counted by now, all of it, and forgets what is not there any more. */
  look(live: Iterable<LiveHits>, which: WhichOf): void {
    this.#looks += 1;
    for (const each of live) {
      const now = which(each);
      if (now !== undefined) this.#add(each, now);
    }
    for (const [key, { entries }] of this.#rows) {
      for (const [name, entry] of entries) {
        if (which(entry.place) === undefined) this.#change(key, name, undefined);
        // what comes back to the switch begins at nothing
        else if (entry.seen > 0 && entry.look !== this.#looks) {
          this.#change(key, name, { ...entry, seen: 0 });
        }
      }
    }
  }

  /** How often those decided that are asked for, by their name in a row; without what never did. */
  *of(asked: HitsAsked, which: WhichOf): Generator<readonly [string, number]> {
    for (const key of keysOf(this.#host, asked)) {
      for (const [name, entry] of this.#rows.get(key)?.entries ?? []) {
        const { place, hits } = entry;
        if (isAsked(asked, place) && which(place) === entry.which) yield [name, hits];
      }
    }
  }

  /** The rows that are to be told, the one that has waited longest first: at least one if there are any. */
  untold(
    atMs: number,
    { bytesMax, rowsMax }: { readonly bytesMax: number; readonly rowsMax: number },
  ): readonly UntoldRow[] {
    const found: UntoldRow[] = [];
    let bytes = 0;
    for (const key of this.#untold) {
      const { entries, turn } = this.#rows.get(key) ?? {
        entries: new Map<string, Entry>(),
        turn: 0,
      };
      const counts = [...entries].map(([name, { which, hits, seen }]) => [name, which, hits, seen]);
      const value = encodeRecord({ atMs, counts });
      bytes += key.length + value.length;
      if (found.length > 0 && (bytes > bytesMax || found.length === rowsMax)) break;
      const isEmpty = counts.length === 0;
      const operation: Operation = isEmpty
        ? { op: 'delete', start: key }
        : { op: 'put', key, value };
      found.push({ key, turn, operation });
    }
    return found;
  }

  /** These were told. What has changed since waits behind the others. */
  told(rows: Iterable<UntoldRow>): void {
    for (const { key, turn } of rows) {
      this.#untold.delete(key);
      const row = this.#rows.get(key);
      if (row === undefined) continue;
      if (row.turn !== turn) this.#untold.add(key);
      else if (row.entries.size === 0) this.#rows.delete(key);
    }
  }

  #add(live: LiveHits, which: number): void {
    const { hits: seen } = live;
    const [key, name] = [keyOf(this.#host, live), nameIn(live)];
    const before = this.#rows.get(key)?.entries.get(name);
    const look = this.#looks;
    if (before === undefined) {
      if (seen === 0 || this.#count >= hitsToldMax) return;
      this.#change(key, name, { place: placeIn(live), which, hits: seen, seen, look });
    } else if (before.which !== which) {
      // what was there under this name has nothing to do with it
      const hits = seen >= before.seen ? seen - before.seen : seen;
      this.#change(key, name, { ...before, which, hits, seen, look });
    } else if (before.seen === seen) {
      before.look = look;
    } else {
      const hits = before.hits + Math.max(0, seen - before.seen);
      this.#change(key, name, { ...before, hits, seen, look });
    }
  }

  #change(key: string, name: string, entry: Entry | undefined): void {
    const row = this.#rows.get(key) ?? { entries: new Map<string, Entry>(), turn: 0 };
    this.#rows.set(key, row);
    this.#count -= row.entries.size;
    if (entry === undefined) row.entries.delete(name);
    else row.entries.set(name, entry);
    this.#count += row.entries.size;
    row.turn += 1;
    this.#untold.add(key);
  }
}

/** Which it is, by the rows of the site: a rule by when it was written, a group by its number. */
export function whichOf(rows: SiteRows, place: HitPlace): number | undefined {
  const { tenant } = place;
  if (place.kind === 'rule') {
    return rows.policies.ruleWritten(tenant, `${place.policy}/${place.rule}`);
  }
  const network = rows.siteNetworks(tenant).get(place.group);
  const bare = network && bareGroupOf(network.number);
  return rows.policies.group(tenant, place.group)?.number ?? bare;
}

/** Whether it is of what is asked. */
export function isAsked(asked: HitsAsked, place: HitPlace): boolean {
  if (asked.tenant !== place.tenant) return false;
  if (place.kind === 'default') return asked.kind === 'default' && asked.group === place.group;
  if (asked.kind === 'default' || asked.policy !== place.policy) return false;
  return asked.kind === 'policy' || asked.rule === place.rule;
}

/** The rows of a host that have what is asked. */
export function keysOf(host: string, asked: HitsAsked): readonly string[] {
  if (asked.kind === 'default') return [defaultHitsKey(host, asked)];
  if (asked.kind === 'rule') return [ruleHitsKey(host, asked, partOf(asked.rule))];
  return Array.from({ length: hitsPartsMax }, (_, part) => ruleHitsKey(host, asked, part));
}

function keyOf(host: string, place: HitPlace): string {
  if (place.kind === 'default') return defaultHitsKey(host, place);
  return ruleHitsKey(host, place, partOf(place.rule));
}

/** FNV-1a of 32 bits: all hosts and versions have to come to the same. */
function partOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  return (hash >>> 0) % hitsPartsMax;
}

/** What it is called in its row. */
export const nameIn = (place: HitPlace): string =>
  place.kind === 'rule' ? place.rule : place.direction;

function placeIn(place: HitPlace): HitPlace {
  const { kind, tenant } = place;
  return kind === 'rule'
    ? { kind, tenant, policy: place.policy, rule: place.rule }
    : { kind, tenant, group: place.group, direction: place.direction };
}

/** What a count of this name in this row is about. */
export function placeOf(key: string, name: string): HitPlace | undefined {
  const [, , , kind, tenant = '', of = ''] = key.split('/');
  if (kind === 'rule') return { kind, tenant, policy: of, rule: name };
  return kind === 'default' && (name === 'in' || name === 'out')
    ? { kind, tenant, group: of, direction: name }
    : undefined;
}

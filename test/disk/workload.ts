/**
 * Writes of every kind, drawn from a seed: entries, truncations, hard state, changes of the state,
 * history forgotten, logs cut, snapshots staged, given up and installed. The same seed and start make the
 * same writes on every runtime, so that a process which dies can be judged by one that does not.
 */
import type { StorageWrite } from '../../lib/store/driver/storage.ts';
import type { Change, Delta } from '../../lib/store/machine/image.ts';
import type { KeyValue, WatchEvent } from '../../lib/store/port.ts';
import { encodeConfig } from '../../lib/store/raft/config.ts';
import type { Entry, EntryKind } from '../../lib/store/raft/entry.ts';
import { afterWrite, tally, type Content, type Twin } from './twin.ts';

/** Numbers in [0, 1) that follow from a seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const config = { voters: ['e'.repeat(16)], learners: [], witnesses: [] } as const;
const kinds: readonly EntryKind[] = ['command', 'command', 'command', 'command', 'noop', 'config'];

/** Draws writes, and keeps what the disk holds after each. */
export class Workload {
  #twin: Twin;
  readonly #random: () => number;

  constructor(twin: Twin, seed: number) {
    this.#twin = { ...twin, staged: undefined };
    this.#random = randomFrom(seed);
  }

  /** What the disk holds when the last write is durable. */
  get twin(): Twin {
    return this.#twin;
  }

  next(): StorageWrite {
    const write = this.#draw();
    this.#twin = afterWrite(this.#twin, write);
    return write;
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #chance(of: number): boolean {
    return this.#random() < of;
  }

  #text(): string {
    const length = this.#chance(0.05) ? 20_000 : this.#below(500);
    let text = '';
    // not to be compressed away
    while (text.length < length) text += this.#below(2 ** 32).toString(36);
    return `${text.slice(0, length)}ü`;
  }

  #draw(): StorageWrite {
    if (this.#twin.staged === undefined ? this.#chance(0.02) : this.#chance(0.4)) {
      return this.#snapshot();
    }
    const log = this.#drawLog();
    const between = afterWrite(this.#twin, log);
    const delta = this.#chance(0.6) ? this.#drawDelta(between) : undefined;
    const applied = delta?.head.applied ?? between.head.applied;
    const span = applied.index - between.base.at.index;
    const at = between.entries[this.#below(Math.max(1, span))];
    const base =
      span > 0 && at !== undefined && this.#chance(0.2)
        ? { at: { index: at.index, term: at.term }, config }
        : undefined;
    return {
      ...log,
      ...(delta === undefined ? {} : { delta }),
      ...(base === undefined ? {} : { base }),
      ...(this.#chance(0.01) ? { featureLevel: between.identity.featureLevel + 1 } : {}),
    };
  }

  #drawLog(): StorageWrite {
    const { hard, head, base, entries } = this.#twin;
    const term = hard.term + (hard.term === 0 || this.#chance(0.1) ? 1 : 0);
    const first = Math.max(head.applied.index, base.at.index) + 1;
    const last = entries.at(-1)?.index ?? base.at.index;
    const truncateFrom =
      last >= first && this.#chance(0.2) ? first + this.#below(last - first + 1) : undefined;
    const start = truncateFrom ?? last + 1;
    const added: Entry[] = [];
    for (let n = this.#below(21); n > 0; n -= 1) {
      const kind = kinds[this.#below(kinds.length)] ?? 'noop';
      const data = { noop: '', config: encodeConfig(config), command: '' }[kind];
      added.push({ index: start + added.length, term, kind, data: data || this.#text() });
    }
    const commit = Math.max(head.applied.index, start + added.length - 1 - this.#below(5));
    return {
      hard: { term, vote: this.#chance(0.5) ? 'e'.repeat(16) : undefined, commit },
      ...(truncateFrom === undefined ? {} : { truncateFrom }),
      entries: added,
    };
  }

  #drawDelta(between: Twin): Delta {
    const { head, base, entries } = between;
    const rows: Delta['rows'][number][] = [];
    const changes: Change[] = [];
    let content: Content = between;
    const note = (delta: Pick<Delta, 'rows' | 'records'>) => {
      rows.push(...delta.rows);
      const whole = { ...between, ...content, entries: [], changes: [] };
      const none = { changes: [], forget: { from: 0, to: 0 }, head };
      content = afterWrite(whole, { delta: { ...delta, ...none } });
    };
    for (let n = this.#below(4); n > 0; n -= 1) {
      const revision = head.revision + changes.length + 1;
      const events = this.#drawEvents(content, revision);
      changes.push({ revision, events });
      const after = events.map((event) =>
        event.type === 'put'
          ? (['users', event.row.key, event.row] as const)
          : (['users', event.key, undefined] as const),
      );
      note({ rows: after, records: [] });
    }
    const systemRevision = head.systemRevision + 1;
    const system = this.#row(`system/${this.#below(9)}`, systemRevision, undefined);
    note({ rows: [['system', system.key, system]], records: [] });
    const space = this.#chance(0.5) ? ('sessions' as const) : ('leases' as const);
    const records: Delta['records'][number][] = [
      [space, `name/${this.#below(30)}`, this.#chance(0.3) ? undefined : this.#text()],
    ];
    note({ rows: [], records });
    const revision = head.revision + changes.length;
    const kept = revision - head.compacted;
    const to = head.compacted + (this.#chance(0.3) ? this.#below(kept + 1) : 0);
    const last = { index: base.at.index + entries.length, term: entries.at(-1)?.term ?? 0 };
    const index = head.applied.index + this.#below(last.index - head.applied.index + 1);
    const term = entries[index - base.at.index - 1]?.term ?? base.at.term;
    return {
      // the last value of each key, as the machine gives it
      rows: [...new Map(rows.map((row) => [`${row[0]} ${row[1]}`, row])).values()],
      records,
      changes: changes.filter((change) => change.revision > to),
      forget: { from: head.compacted, to },
      head: {
        applied: { index, term },
        revision,
        systemRevision,
        compacted: to,
        timeMs: head.timeMs + 1 + this.#below(1000),
        ...tally(content),
      },
    };
  }

  #drawEvents(content: Content, revision: number): readonly WatchEvent[] {
    const keys = new Set(Array.from({ length: 1 + this.#below(3) }, () => this.#below(120)));
    return Array.from(keys, (n): WatchEvent => {
      const key = `key/${n}`;
      const previous = content.rows.get(`users ${key}`)?.[1];
      if (previous !== undefined && this.#chance(0.3)) return { type: 'delete', key, previous };
      return { type: 'put', row: this.#row(key, revision, previous), previous };
    });
  }

  #row(key: string, revision: number, previous: KeyValue | undefined): KeyValue {
    return {
      key,
      value: this.#text(),
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
      ...(this.#chance(0.2) ? { lease: String(this.#below(1000)) } : {}),
    };
  }

  #snapshot(): StorageWrite {
    const { staged, head, base, entries, hard } = this.#twin;
    const first = staged === undefined || this.#chance(0.2);
    const revision = head.revision + 1000;
    if (!first && staged.rows.size > 60) {
      const index = (entries.at(-1)?.index ?? base.at.index) + 1 + this.#below(100);
      const applied = { index, term: hard.term };
      const revisions = { revision, systemRevision: revision, compacted: revision };
      const newHead = { applied, ...revisions, timeMs: head.timeMs, ...tally(staged) };
      const install = { head: newHead, base: { at: applied, config } };
      const { epoch } = this.#twin.identity;
      return this.#chance(0.5) ? { install } : { install, epoch: epoch + 1 };
    }
    const start = first ? 0 : staged.rows.size;
    const rows = Array.from({ length: 30 }, (_, n) => {
      const space = this.#chance(0.5) ? ('users' as const) : ('system' as const);
      return [space, this.#row(`key/${start + n}`, 1 + this.#below(revision), undefined)] as const;
    });
    const part = { rows, records: [['leases', `name/${start}`, this.#text()]] as const };
    return { stage: { first, part } };
  }
}

/**
 * Where the store stands, and what one write makes of it: the bookkeeping that turns a `StorageWrite`
 * into the operations of one batch. Wrong requests are broken invariants of the caller: writing them
 * would make a store that the next audit refuses. The ledger is ahead of the disk while a write is in
 * flight; if that fails the ledger is of no use any more, and neither is the process.
 */
import { assert } from '../../assert.ts';
import type { StoreIdentity, StorageWrite } from '../driver/storage.ts';
import type { Delta, ImagePart, MachineHead } from '../machine/image.ts';
import type { Entry, Position } from '../raft/entry.ts';
import type { SnapshotMark } from '../raft/message.ts';
import type { Audited } from './audit.ts';
import { ChangeRecords, type RecordBounds } from './change-records.ts';
import type { WriteOperation } from './database.ts';
import {
  baseKey,
  changeKey,
  entryKey,
  generationMax,
  generationStart,
  hardKey,
  headKey,
  identityKey,
  recordKey,
  rowKey,
  seal,
  storeFormat,
} from './format.ts';
import { LogBlocks } from './log-blocks.ts';
import { chainAfter, chainAt, encodeBlock, inBlocks, type BlockBounds } from './log-entry.ts';
import { LogLinks, type Link } from './log-links.ts';
import {
  encodeIdentity,
  encodeLogBase,
  encodeLogEnd,
  encodeStateHead,
  type LogBase,
  type LogEnd,
  type StateHead,
} from './meta.ts';
import { encodeRow } from './rows.ts';

/** What goes into one write. */
export interface LedgerBounds {
  /** Forgotten blocks of the log removed by it. */
  readonly clearStep: number;
  readonly block: BlockBounds;
  readonly record: RecordBounds;
}

/** Where an open store stands. */
export class Ledger {
  #identity: StoreIdentity;
  /** The layout that the store says it has: raised with the first write. */
  #format: number;
  #end: LogEnd;
  #base: LogBase;
  #state: StateHead;
  /** Of the entries after the base, in order. */
  #links: LogLinks;
  #blocks: LogBlocks;
  /** Rows and records in the snapshot on its way in; undefined when there is none. */
  #staged: number | undefined;
  #records: ChangeRecords;
  readonly #bounds: LedgerBounds;

  constructor(audited: Audited, bounds: LedgerBounds) {
    this.#identity = audited.identity;
    this.#format = audited.format;
    this.#end = audited.end;
    this.#base = audited.base;
    this.#state = audited.state;
    this.#links = new LogLinks(
      audited.entries.map(({ term }, at) => ({ term, chain: audited.chains[at] ?? '' })),
    );
    this.#blocks = new LogBlocks(audited.blocks);
    this.#records = new ChangeRecords(audited.records, bounds.record);
    this.#bounds = bounds;
  }

  get head(): MachineHead {
    return this.#state.head;
  }

  /** The generation that counts. */
  get live(): number {
    return this.#state.live;
  }

  /** Where the store stands, for people and for the mark of an orderly end. */
  describe(): string {
    return [
      encodeIdentity(this.#identity, this.#format),
      encodeLogEnd(this.#end),
      encodeLogBase(this.#base),
      encodeStateHead(this.#state),
    ].join('\n');
  }

  /** The last revision of the change record with the change of this revision. */
  recordOf(revision: number): number | undefined {
    return this.#records.holding(revision);
  }

  /** The ranges of keys that count for nothing: what is left of other generations. */
  garbage(): readonly (readonly [start: string, end: string])[] {
    const { live, newest } = this.#state;
    const incoming = this.#staged === undefined ? newest + 1 : newest;
    return [
      [generationStart(0), generationStart(live)],
      [generationStart(live + 1), generationStart(incoming)],
    ];
  }

  /** The operations of a write, in the order in which they take effect. */
  operations(write: StorageWrite): WriteOperation[] {
    const before = { end: this.#end, base: this.#base, state: this.#state };
    const operations: WriteOperation[] = [];
    if (write.install !== undefined) {
      const { entries, truncateFrom, base, delta } = write;
      const others = [entries, truncateFrom, base, delta].filter((part) => part !== undefined);
      assert(others.length === 0, 'a snapshot is installed without changes of what it replaces');
    }
    this.#replaceEntries(write.truncateFrom, write.entries ?? [], operations);
    if (write.delta !== undefined) this.#applyDelta(write.delta, operations);
    if (write.base !== undefined) this.#moveBase(write.base);
    if (write.stage !== undefined) this.#stage(write.stage.first, write.stage.part, operations);
    if (write.install !== undefined) {
      const isRecovery = write.epoch !== undefined && write.epoch > this.#identity.epoch;
      this.#install(write.install.head, write.install.base, isRecovery);
    }
    if (write.hard !== undefined) this.#end = { ...this.#end, hard: write.hard };
    this.#identify(write, operations);
    this.#clearForgotten(operations);
    if (this.#end !== before.end) put(operations, hardKey, encodeLogEnd(this.#end));
    if (this.#base !== before.base) put(operations, baseKey, encodeLogBase(this.#base));
    if (this.#state !== before.state) put(operations, headKey, encodeStateHead(this.#state));
    return operations;
  }

  /** Changes what of an identity can change. */
  #identify(write: StorageWrite, operations: WriteOperation[]): void {
    const before = this.#identity;
    const { epoch = before.epoch, featureLevel = before.featureLevel } = write;
    const isSame = epoch === before.epoch && featureLevel === before.featureLevel;
    if (isSame && this.#format === storeFormat) return;
    assert(epoch >= before.epoch && featureLevel >= before.featureLevel, 'an identity never ages');
    this.#identity = { ...before, epoch, featureLevel };
    this.#format = storeFormat;
    put(operations, identityKey, encodeIdentity(this.#identity, storeFormat));
  }

  #replaceEntries(
    truncateFrom: number | undefined,
    entries: readonly Entry[],
    operations: WriteOperation[],
  ): void {
    const { index: start } = this.#base.mark.at;
    if (truncateFrom !== undefined) {
      assert(truncateFrom > start, 'what is forgotten cannot be replaced');
      this.#links.cut(truncateFrom - start - 1);
      for (const first of this.#blocks.cut(truncateFrom)) {
        operations.push({ type: 'del', key: entryKey(this.live, first) });
      }
    }
    if (truncateFrom === undefined && entries.length === 0) return;
    for (const block of inBlocks(entries, this.#bounds.block)) this.#addBlock(block, operations);
    const { term, chain } = this.#tail();
    const last = { index: start + this.#links.length, term };
    assert(last.index >= this.head.applied.index, 'what was applied is never taken back');
    this.#end = { ...this.#end, last, chain };
  }

  #addBlock(entries: readonly Entry[], operations: WriteOperation[]): void {
    const { index: start } = this.#base.mark.at;
    const first = start + this.#links.length + 1;
    for (const entry of entries) {
      const previous = this.#tail();
      const index = start + this.#links.length + 1;
      assert(entry.index === index && entry.term >= previous.term, 'the log grows without a gap');
      this.#links.push({ term: entry.term, chain: chainAfter(previous.chain, entry) });
    }
    const { chain } = this.#tail();
    this.#blocks.add(first);
    put(operations, entryKey(this.live, first), encodeBlock({ entries, chain }));
  }

  /** The last entry, or the base. */
  #tail(): Link {
    return this.#links.last ?? { term: this.#base.mark.at.term, chain: this.#base.chain };
  }

  #applyDelta(delta: Delta, operations: WriteOperation[]): void {
    const { live, head } = this.#state;
    for (const [space, key, row] of delta.rows) {
      putOrDelete(
        operations,
        rowKey(live, space, key),
        row === undefined ? undefined : encodeRow(row),
      );
    }
    for (const [space, key, value] of delta.records) {
      putOrDelete(operations, recordKey(live, space, key), value);
    }
    const { from, to } = delta.forget;
    // what is forgotten as soon as it came to be is not sent
    const before = Math.max(head.revision, to);
    for (const { last, body } of this.#records.add(before, delta.changes)) {
      put(operations, changeKey(live, last), body);
    }
    const told = before + delta.changes.length;
    assert(told === delta.head.revision, 'every revision has its change record');
    for (const last of this.#records.forget(to)) {
      operations.push({ type: 'del', key: changeKey(live, last) });
    }
    const compacted = to > from ? to : head.compacted;
    const fits = to <= from || from === head.compacted;
    assert(
      fits && delta.head.compacted === compacted,
      'history is forgotten from its beginning on',
    );
    const { index } = delta.head.applied;
    assert(index >= head.applied.index && index <= this.#end.last.index, 'state within its log');
    this.#state = { ...this.#state, head: delta.head };
  }

  #moveBase(mark: SnapshotMark): void {
    const { index } = this.#base.mark.at;
    const distance = mark.at.index - index;
    const link = this.#links.at(distance - 1);
    assert(
      link !== undefined && link.term === mark.at.term,
      'the base moves to an entry of the log',
    );
    const { applied, count, timeMs } = this.head;
    const stateless = applied.index < mark.at.index;
    // any command that is applied sets the machine's clock
    const isWitness = count === 0 && timeMs === 0;
    assert(!stateless || isWitness, 'what is forgotten was applied');
    this.#links.drop(distance);
    this.#base = { ...this.#base, mark, chain: link.chain, stateless };
  }

  /** Removes a bounded number of the blocks that hold nothing after the base. */
  #clearForgotten(operations: WriteOperation[]): void {
    const { index } = this.#base.mark.at;
    const forgotten = this.#blocks.forget(index, this.#end.last.index, this.#bounds.clearStep);
    for (const first of forgotten) {
      operations.push({ type: 'del', key: entryKey(this.live, first) });
    }
    const cleared = this.#blocks.first === undefined ? index : this.#blocks.first - 1;
    if (cleared !== this.#base.cleared) this.#base = { ...this.#base, cleared };
  }

  #stage(first: boolean, part: ImagePart, operations: WriteOperation[]): void {
    if (first) {
      // a generation is never used twice, so that nothing of an earlier attempt can come back
      assert(this.#state.newest < generationMax, 'generations are used up');
      this.#state = { ...this.#state, newest: this.#state.newest + 1 };
      this.#staged = 0;
    }
    assert(this.#staged !== undefined, 'a snapshot begins with its first part');
    const { newest } = this.#state;
    encodePart(newest, part, operations);
    this.#staged += part.rows.length + part.records.length;
  }

  /** `isRecovery`: an operator decided what the state is from now on; it may be an older one. */
  #install(head: MachineHead, mark: SnapshotMark, isRecovery: boolean): void {
    // a witness takes over the place of a snapshot without its content
    const stateless = this.#staged === undefined;
    assert((this.#staged ?? 0) === head.count, 'a snapshot is installed when it is complete');
    assert(head.compacted === head.revision, 'a snapshot comes without history');
    assert(isSame(head.applied, mark.at), 'a snapshot stands where the log begins');
    const isAhead =
      mark.at.index > this.#base.mark.at.index && head.applied.index >= this.head.applied.index;
    assert(isAhead || isRecovery, 'a snapshot never takes log or state back');
    const newest = this.#state.newest + (stateless ? 1 : 0);
    const chain = chainAt(mark.at);
    this.#state = { live: newest, newest, head };
    this.#base = { mark, chain, cleared: mark.at.index, stateless: false };
    this.#end = { ...this.#end, last: mark.at, chain };
    this.#links = new LogLinks();
    this.#blocks = new LogBlocks([]);
    this.#records = new ChangeRecords([], this.#bounds.record);
    this.#staged = undefined;
  }
}

/** The operations that write a part of a state. */
export function encodePart(
  generation: number,
  part: ImagePart,
  operations: WriteOperation[],
): void {
  for (const [space, row] of part.rows) {
    put(operations, rowKey(generation, space, row.key), encodeRow(row));
  }
  for (const [space, key, value] of part.records) {
    put(operations, recordKey(generation, space, key), value);
  }
}

function putOrDelete(operations: WriteOperation[], key: string, body: string | undefined): void {
  if (body === undefined) operations.push({ type: 'del', key });
  else put(operations, key, body);
}

function put(operations: WriteOperation[], key: string, body: string): void {
  operations.push({ type: 'put', key, value: seal(key, body) });
}

const isSame = (one: Position, other: Position): boolean =>
  one.index === other.index && one.term === other.term;

/**
 * Configurations by the index of the entry that brought them. A configuration counts from the moment its
 * entry is appended (Raft thesis 4.1), so one that is cut off again must bring back the one before.
 */
import { assert } from '../../assert.ts';
import { decodeConfig, type RaftConfig } from './config.ts';
import type { Entry, MemberId } from './entry.ts';
import type { SnapshotMark } from './message.ts';

interface Dated {
  readonly index: number;
  readonly config: RaftConfig;
}

/** What the configuration is, was, and will be again if the log is cut. */
export class ConfigHistory {
  /** Rising indexes; the first is the base's. */
  #dated: Dated[];

  /** @throws STORE_DAMAGED when an entry holds no configuration */
  constructor(base: SnapshotMark, entries: readonly Entry[]) {
    this.#dated = [{ index: base.at.index, config: base.config }];
    this.append(entries);
  }

  /** The one in force. */
  get latest(): RaftConfig {
    return this.#last.config;
  }

  /** Index of the entry that brought it, or the base's. */
  get latestIndex(): number {
    return this.#last.index;
  }

  /** The one in force when the log ended at `index`. */
  at(index: number): RaftConfig {
    const dated = this.#dated.findLast((each) => each.index <= index);
    assert(dated !== undefined, 'the configuration of a forgotten place is not asked for');
    return dated.config;
  }

  /** Takes note of what was appended; true when the configuration changed. */
  append(entries: readonly Entry[]): boolean {
    const before = this.#dated.length;
    for (const entry of entries)
      if (entry.kind === 'config')
        this.#dated.push({ index: entry.index, config: decodeConfig(entry.data) });
    return this.#dated.length > before;
  }

  /** Takes back what was brought at `index` and behind; true when the configuration changed. */
  truncateFrom(index: number): boolean {
    const before = this.#dated.length;
    while (this.#dated.length > 1 && this.#last.index >= index) this.#dated.pop();
    return this.#dated.length < before;
  }

  /** Forgets what was before the one at `index`. */
  compact(index: number): void {
    const config = this.at(index);
    this.#dated = [{ index, config }, ...this.#dated.filter((each) => each.index > index)];
  }

  /** Begins anew. */
  reset(base: SnapshotMark): void {
    this.#dated = [{ index: base.at.index, config: base.config }];
  }

  /**
   * Whether a member was taken out for good: it was in a configuration that is still remembered, and is
   * in none since, the last of them committed. One that was never known may be a member of a
   * configuration that has not arrived here, and must be listened to.
   */
  wasRemoved(member: MemberId, commit: number): boolean {
    const since = this.#dated.findLastIndex((each) => each.index <= commit);
    if (this.#dated.slice(since).some((each) => isMember(each.config, member))) return false;
    return this.#dated.slice(0, since).some((each) => isMember(each.config, member));
  }

  get #last(): Dated {
    const last = this.#dated.at(-1);
    assert(last !== undefined, 'a history has at least its base');
    return last;
  }
}

/** Whether a configuration names a member. */
export function isMember(config: RaftConfig, member: MemberId): boolean {
  return config.voters.includes(member) || config.learners.includes(member);
}

/** The cluster's own rows as this member has them, read anew only when they changed. */
import { featureLevelFirst } from '../../limits.ts';
import { decodeRecord } from '../../model/record.ts';
import { membersOf } from '../membership/read.ts';
import {
  alarmRange,
  clusterKey,
  clusterSchema,
  memberRange,
  removedKey,
  type ClusterSettings,
  type Member,
} from '../membership/rows.ts';
import type { MemberId } from '../raft/entry.ts';
import type { ReplicatedEngine } from './engine.ts';
import type { ToldOfCluster } from './requests.ts';

/** A view of the rows. */
export class MemberRows {
  readonly #engine: ReplicatedEngine;
  #revision = -1;
  #members: readonly Member[] = [];
  #featureLevel = featureLevelFirst;

  constructor(engine: ReplicatedEngine) {
    this.#engine = engine;
  }

  /** All members; none before the first rows have come, and never on a witness unless it was told. */
  members(): readonly Member[] {
    const { rows, revision } = this.#engine.localSystemRange(memberRange);
    if (revision !== this.#revision && rows.length > 0) {
      this.#revision = revision;
      this.#members = membersOf(rows).map(({ value }) => value);
    }
    return this.#members;
  }

  /** For a witness, which has no rows: what its leader says. */
  learn({ members, featureLevel }: Pick<ToldOfCluster, 'members' | 'featureLevel'>): void {
    this.#members = members;
    this.#featureLevel = featureLevel;
  }

  /** What entries and rows may be in use. */
  featureLevel(): number {
    const settings = this.#settings();
    return settings === undefined
      ? this.#featureLevel
      : (settings.featureLevel ?? featureLevelFirst);
  }

  /** Whether a member was removed. */
  isRemoved(id: MemberId): boolean {
    return this.#engine.localSystemRange({ start: removedKey(id) }).rows.length > 0;
  }

  /** Whether dates of certificates are enforced. */
  enforceDates(): boolean {
    return this.#settings()?.enforceDates ?? false;
  }

  #settings(): ClusterSettings | undefined {
    const [row] = this.#engine.localSystemRange({ start: clusterKey }).rows;
    return row && decodeRecord(clusterSchema, row).value;
  }

  /** Members whose disk is nearly full. */
  alarms(): ReadonlySet<MemberId> {
    const { rows } = this.#engine.localSystemRange(alarmRange);
    return new Set(rows.map(({ key }) => key.slice(key.lastIndexOf('/') + 1)));
  }
}

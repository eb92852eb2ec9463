/** Where kinds differ from an object that is just there: what their plans add to `plain.ts`. */
import type { Config } from '../../model/objects/kind.ts';
import type { ObjectName } from '../../model/objects/object-keys.ts';
import type { ObjectRow } from '../../model/objects/rows.ts';
import type { Step, TxnDraft } from '../../store/plan.ts';

/** What there is besides a configuration when an object is put. */
export interface Around {
  readonly before: ObjectRow | undefined;
  readonly attempt: number;
  /** What it names may be gone, and it is as it was written once. */
  readonly isUnresolved: boolean;
}

/** What is special about a kind. */
export interface Special {
  /** Looks at a configuration by itself, and may complete it. Refuses with OBJECT_INVALID. */
  readonly check?: (config: Config, before: Config | undefined) => Config;
  /** What has to be done in a transaction of its own before a new one is made; nobody sees it. */
  readonly before?: (name: ObjectName, config: Config) => Step<TxnDraft | undefined>;
  /** The fields whose objects must be there before the others are looked at, in order. */
  readonly first?: readonly string[];
  /** Adds what comes with it, and answers what its row has besides. */
  readonly prepare?: (
    draft: TxnDraft,
    name: ObjectName,
    config: Config,
    around: Around,
  ) => Step<Partial<ObjectRow>>;
  /** Refuses its removal, or adds what goes with it. */
  readonly remove?: (draft: TxnDraft, name: ObjectName, row: ObjectRow) => Step<void>;
}

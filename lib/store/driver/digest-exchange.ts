/**
 * Comparison of the own state with the leader's at an equal place (hazard 34). The leader tells where it
 * stands; a member that is behind compares when it gets there. What agrees is handed on to the observers
 * that this member feeds.
 */
import { FairleadError } from '../../errors.ts';
import type { MachineHead } from '../machine/image.ts';
import type { MemberId } from '../raft/entry.ts';
import type { Applier } from './applier.ts';
import type { CoreLoop } from './core-loop.ts';
import type { PeerMessage } from './messages.ts';

/** What must be equal at an equal place. How much history is kept may differ. */
const compared = [
  'revision',
  'systemRevision',
  'timeMs',
  'count',
  'digest',
] as const satisfies readonly (keyof MachineHead)[];

/** Compares heads at one index; undefined when they agree. */
export function divergence(own: MachineHead, other: MachineHead): FairleadError | undefined {
  const isEqual =
    own.applied.term === other.applied.term && compared.every((name) => own[name] === other[name]);
  if (isEqual) return undefined;
  return new FairleadError(
    'STORE_DIVERGED',
    `the state of this member differs from the leader's at entry ${own.applied.index}`,
    { detail: { own, other } },
  );
}

/** What comparing needs of the driver. */
export interface DigestParts {
  readonly core: CoreLoop;
  readonly applier: Applier;
  send(to: MemberId, message: PeerMessage): void;
  diverged(error: FairleadError): void;
}

/** Heads sent, awaited and compared. */
export class DigestExchange {
  readonly #parts: DigestParts;
  #awaited: MachineHead | undefined;

  constructor(parts: DigestParts) {
    this.#parts = parts;
  }

  /** As leader: tells everyone with a state where this one stands. */
  tell(): void {
    const { machine } = this.#parts.applier;
    if (machine !== undefined) this.#spread(machine.head());
  }

  /** A head came. It counts from the leader, or from who feeds this observer. */
  hear(from: MemberId, head: MachineHead, source: MemberId | undefined): void {
    const { leader, role } = this.#parts.core.status;
    if (from !== leader && !(role === 'observer' && from === source)) return;
    const applied = this.#parts.applier.applied.index;
    // The first one stays until it is reached: a member that is always a little behind would
    // otherwise never come to compare.
    const isFree = this.#awaited === undefined || this.#awaited.applied.index < applied;
    if (isFree && head.applied.index >= applied) this.#awaited = head;
    this.check();
  }

  /** The state has moved on to its next place: compares if there is something to compare. */
  check(): void {
    const { machine, applied } = this.#parts.applier;
    const awaited = this.#awaited;
    if (machine === undefined || awaited?.applied.index !== applied.index) return;
    this.#awaited = undefined;
    const error = divergence(machine.head(), awaited);
    if (error !== undefined) this.#parts.diverged(error);
    else if (this.#parts.core.status.role !== 'leader') this.#spread(awaited);
  }

  #spread(head: MachineHead): void {
    const { progress, config } = this.#parts.core.status;
    for (const { member } of progress) {
      if (!config.witnesses.includes(member)) this.#parts.send(member, { kind: 'digest', head });
    }
  }
}

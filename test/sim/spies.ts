/**
 * Spies on the real core and machine: every step and every application is shown to whoever watches the
 * member that is running. The simulator has one thread, so one member runs at a time.
 */
import { Machine, type Applied } from '../../lib/store/machine/machine.ts';
import type { Reply } from '../../lib/store/machine/command.ts';
import type { Delta } from '../../lib/store/machine/image.ts';
import type { Entry } from '../../lib/store/raft/entry.ts';
import { Raft } from '../../lib/store/raft/raft.ts';
import type { Effects, Input, RaftStatus } from '../../lib/store/raft/step.ts';

/** Who is shown what. */
export interface Watcher {
  stepped(input: Input, effects: Effects, status: () => RaftStatus): void;
  applied(entry: Entry, reply: Reply | undefined, machine: Machine): void;
  delta(delta: Delta): void;
}

let watcher: Watcher | undefined;

/** Names the watcher of the member that runs now; the answer puts the one before back. */
export function watch(next: Watcher | undefined): Watcher | undefined {
  const before = watcher;
  watcher = next;
  return before;
}

type Step = (this: Raft, input: Input) => Effects;
type Apply = (this: Machine, entry: Entry) => Applied;
type TakeDelta = (this: Machine) => Delta | undefined;

const step: Step = Reflect.get(Raft.prototype, 'step');
Raft.prototype.step = function stepSpied(this: Raft, input: Input): Effects {
  const effects = step.call(this, input);
  watcher?.stepped(input, effects, () => this.status());
  return effects;
};

const apply: Apply = Reflect.get(Machine.prototype, 'apply');
const takeDelta: TakeDelta = Reflect.get(Machine.prototype, 'takeDelta');
Machine.prototype.apply = function applySpied(this: Machine, entry: Entry) {
  const applied = apply.call(this, entry);
  watcher?.applied(entry, applied.reply, this);
  return applied;
};
Machine.prototype.takeDelta = function takeDeltaSpied(this: Machine) {
  const delta = takeDelta.call(this);
  if (delta !== undefined) watcher?.delta(delta);
  return delta;
};

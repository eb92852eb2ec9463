/**
 * What a power cut leaves, made from what a killed process left and the journal of its disk: every file
 * is cut somewhere between the length that was synced last and the length that it has, and names made,
 * changed or removed since the last sync of anything are as before, from some moment on. That is what a
 * filesystem with a journal promises and no more. Emulated; the page cache itself is not touched.
 */
import {
  existsSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
} from 'node:fs';

type Step =
  | { readonly kind: 'synced'; readonly size: number; readonly path: string }
  | { readonly kind: 'created'; readonly path: string }
  | { readonly kind: 'renamed'; readonly path: string; readonly to: string; readonly kept: string }
  | { readonly kind: 'removed'; readonly path: string; readonly kept: string };

function parse(line: string): Step {
  const [letter = '', first = '', second = '', third = ''] = line.split(' ');
  switch (letter) {
    case 'S':
      return { kind: 'synced', size: Number(first), path: second };
    case 'C':
      return { kind: 'created', path: first };
    case 'R':
      return { kind: 'renamed', path: first, to: second, kept: third };
    case 'U':
      return { kind: 'removed', path: first, kept: second };
    default:
      throw new Error(`not a line of the journal: ${line}`);
  }
}

/** What was taken back. */
export interface Cut {
  /** Bytes cut off files. */
  readonly bytes: number;
  /** Names undone. */
  readonly names: number;
}

/** Takes back what may be lost, as much as chance has it. */
export function cutPower(journal: string, random: () => number): Cut {
  const lines = existsSync(journal) ? readFileSync(journal, 'utf8').split('\n') : [];
  // the last line may have been cut by the kill
  const steps = lines.slice(0, -1).map(parse);
  const lastSync = steps.findLastIndex((step) => step.kind === 'synced');
  const open = steps.slice(lastSync + 1);
  const names = Math.floor(random() * (open.length + 1));
  for (const step of open.slice(open.length - names).toReversed()) undo(step);
  return { bytes: cutFiles(steps.slice(0, steps.length - names), random), names };
}

function undo(step: Step): void {
  if (step.kind === 'created') rmSync(step.path, { force: true });
  if (step.kind === 'removed' && step.kept !== '-') linkSync(step.kept, step.path);
  if (step.kind !== 'renamed') return;
  renameSync(step.to, step.path);
  if (step.kept !== '-') linkSync(step.kept, step.to);
}

/** Cuts the files that were made under the journal; older ones were whole before. */
function cutFiles(steps: readonly Step[], random: () => number): number {
  const durable = new Map<string, number>();
  for (const step of steps) {
    if (step.kind === 'created') durable.set(step.path, 0);
    if (step.kind === 'synced' && durable.has(step.path)) durable.set(step.path, step.size);
    if (step.kind === 'removed') durable.delete(step.path);
    if (step.kind !== 'renamed') continue;
    const size = durable.get(step.path);
    durable.delete(step.path);
    if (size !== undefined) durable.set(step.to, size);
  }
  let cut = 0;
  for (const [path, size] of durable) {
    if (!existsSync(path)) continue;
    const whole = statSync(path).size;
    const left = random() < 0.5 ? size : size + Math.floor(random() * (whole - size + 1));
    truncateSync(path, left);
    // LevelDB's own notes are never synced, and never missed
    if (!path.endsWith('/LOG')) cut += whole - left;
  }
  return cut;
}

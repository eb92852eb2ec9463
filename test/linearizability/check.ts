/** Both checkers on one history. */
import { checkBlackBox } from './black-box.ts';
import type { History, Verdict } from './history.ts';
import { checkRevisions } from './revision-checker.ts';

/** Throws unless both find the history valid; no verdict is not enough. */
export function assertLinearizable(history: History): void {
  for (const [name, verdict] of [
    ['revisions', checkRevisions(history)],
    ['black box', checkBlackBox(history)],
  ] as const satisfies readonly (readonly [string, Verdict])[]) {
    if (verdict.kind !== 'valid') throw new Error(`${name}: ${verdict.kind}: ${verdict.what}`);
  }
}

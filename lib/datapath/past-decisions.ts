/**
 * What a switch in user space has decided, forgotten after flows were changed. It keeps each decision for packets like
 * the first (a megaflow), and brings it in line when flows change. Open vSwitch 3.1 looks for the one to change there
 * by a packet, and of two that both fit it changes one twice and the other never: that one lets pass what is
 * denied by now, or drops what is allowed, for as long as packets come. Without any it decides anew, by its flows.
 * Forwards nothing else, and changes nothing but how long the next packets take. The kernel's datapath looks by the
 * decision's own name.
 */
import type { Clock } from '../clock.ts';
import { hasCode } from '../errors.ts';
import { pastDecisionsPauseMs, pastDecisionsTries } from '../limits.ts';
import type { Logger } from '../log.ts';

/** What it is made of. */
export interface PastDecisionsParts {
  /** The control socket of the switch, if it is one in user space and known to be. */
  readonly control: () => string | undefined;
  /** Has it forget. @throws OVS_* */
  readonly forget: (control: string) => Promise<unknown>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The decisions of one switch. */
export class PastDecisions {
  readonly #parts: PastDecisionsParts;
  readonly #ending = new AbortController();
  /** How often it is tried still; 0 for nothing to be done. */
  #tries = 0;
  #working: Promise<void> | undefined;

  constructor(parts: PastDecisionsParts) {
    this.#parts = parts;
  }

  /** Flows were changed: at once, or a moment after the last time. Never fails. */
  flowsChanged(): void {
    this.#tries = pastDecisionsTries;
    this.#working ??= this.#work().finally(() => (this.#working = undefined));
  }

  /** Ends work in progress. */
  async close(): Promise<void> {
    this.#ending.abort();
    await this.#working;
  }

  async #work(): Promise<void> {
    const { clock } = this.#parts;
    const { signal } = this.#ending;
    while (this.#tries > 0 && !signal.aborted) {
      this.#tries -= 1;
      await this.#try();
      // a switch has better to do than to decide everything anew with each of many changes
      await clock.sleep(pastDecisionsPauseMs, signal).catch(() => undefined);
    }
  }

  async #try(): Promise<void> {
    const { control, forget, log } = this.#parts;
    const path = control();
    // at the start it is not known yet whether it is one in user space
    if (path === undefined) return;
    const left = this.#tries;
    try {
      // what is changed from here on is another reason
      this.#tries = 0;
      await forget(path);
    } catch (thrown) {
      log.debug({ err: thrown }, 'the switch did not forget what it has decided');
      // one that was started anew has decided nothing; one that does not know the word never will
      const isOver = hasCode(thrown, 'OVS_DOWN') || hasCode(thrown, 'OVS_REFUSED');
      if (!isOver) this.#tries = Math.max(this.#tries, left);
    }
  }
}

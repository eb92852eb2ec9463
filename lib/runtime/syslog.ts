/**
 * Log lines to a syslog server. Writing never waits and never fails: lines stand in a bounded queue, from which the
 * oldest fall when the server is away for too long; how many is said to the server as soon as it is back.
 */
import type { Clock } from '../clock.ts';
import { syslogFlushMs, syslogLinesMax, syslogPauseMaxMs, syslogPauseMs } from '../limits.ts';
import { syslogMessage } from './syslog-message.ts';
import { syslogTargetText, type SyslogTarget } from './syslog-target.ts';
import {
  openSyslogTransport,
  type OpenSyslogTransport,
  type SyslogTransport,
} from './syslog-transport.ts';

/** What it is made of. */
export interface SyslogParts {
  readonly target: SyslogTarget;
  readonly node: string;
  readonly clock: Clock;
  /** Told why lines do not arrive, and with undefined that they do again. */
  readonly onTrouble: (why: string | undefined) => void;
  /** How a way is opened, when not as usual. */
  readonly open?: OpenSyslogTransport;
}

/** How it does. */
export interface SyslogFacts {
  readonly to: string;
  readonly sent: number;
  readonly waiting: number;
  /** Lines that fell out of the queue. */
  readonly dropped: number;
}

/** The lines on their way to a server. */
export class Syslog {
  readonly #parts: SyslogParts;
  readonly #open: OpenSyslogTransport;
  readonly #queue: string[] = [];
  readonly #closing = new AbortController();
  readonly #loop: Promise<void>;
  #transport: SyslogTransport | undefined;
  #wake = Promise.withResolvers<void>();
  #sent = 0;
  #dropped = 0;
  /** Of them, those that the server was told of. */
  #told = 0;

  constructor(parts: SyslogParts) {
    this.#parts = parts;
    this.#open = parts.open ?? openSyslogTransport;
    this.#loop = this.#run();
  }

  /** Takes a line, as JSON. */
  write(line: string): void {
    if (this.#closing.signal.aborted) return;
    if (this.#queue.length >= syslogLinesMax) {
      this.#queue.shift();
      this.#dropped += 1;
    }
    this.#queue.push(line);
    this.#wake.resolve();
  }

  /** How it does. */
  facts(): SyslogFacts {
    const to = syslogTargetText(this.#parts.target);
    return { to, sent: this.#sent, waiting: this.#queue.length, dropped: this.#dropped };
  }

  /** Takes no more lines; those that are waiting get a short while to go. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#wake.resolve();
    await Promise.race([this.#loop, this.#parts.clock.sleep(syslogFlushMs)]);
    this.#transport?.close();
  }

  async #run(): Promise<void> {
    let pauseMs = syslogPauseMs;
    const { signal } = this.#closing;
    for (;;) {
      await this.#wake.promise;
      if (this.#queue.length === 0 && signal.aborted) return;
      try {
        await this.#sendAll();
        this.#parts.onTrouble(undefined);
        pauseMs = syslogPauseMs;
      } catch (thrown) {
        this.#transport?.close();
        this.#transport = undefined;
        this.#parts.onTrouble(thrown instanceof Error ? thrown.message : String(thrown));
        // on the way out there is no second try
        if (signal.aborted) return;
        await this.#parts.clock.sleep(pauseMs, signal).catch(() => undefined);
        pauseMs = Math.min(2 * pauseMs, syslogPauseMaxMs);
      }
    }
  }

  async #sendAll(): Promise<void> {
    const origin = { node: this.#parts.node, processId: process.pid };
    this.#transport ??= await this.#open(this.#parts.target);
    for (;;) {
      if (this.#dropped > this.#told) {
        const dropped = this.#dropped;
        await this.#transport.send(syslogMessage(this.#lost(dropped - this.#told), origin));
        this.#told = dropped;
      }
      const [line] = this.#queue;
      if (line === undefined) break;
      await this.#transport.send(syslogMessage(line, origin));
      this.#sent += 1;
      // it may have fallen out meanwhile
      if (this.#queue[0] === line) this.#queue.shift();
    }
    if (!this.#closing.signal.aborted) this.#wake = Promise.withResolvers<void>();
  }

  #lost(lines: number): string {
    const { clock, node } = this.#parts;
    const ts = new Date(clock.wallMs()).toISOString();
    return JSON.stringify({ level: 'warn', ts, node, part: 'log', msg: 'lines were lost', lines });
  }
}

/**
 * Which part of term, vote and log is on the disk. Writes are answered late and in order; a part of the
 * log may be replaced while the write that holds its older form is still on its way (hazard 8).
 */
import { assert } from '../../assert.ts';

interface Outstanding {
  readonly token: number;
  /** When this write is durable, the log is durable up to here. Falls when the log is cut. */
  upTo: number;
  /** In ticks. */
  readonly since: number;
}

/** What was written and what is durable. */
export class Durability {
  #outstanding: Outstanding[] = [];
  #lastToken = 0;
  #persistedToken = 0;
  #hardToken = 0;
  #upTo: number;

  constructor(upTo: number) {
    this.#upTo = upTo;
  }

  /** The log as it is now is durable up to here. */
  get upTo(): number {
    return this.#upTo;
  }

  /** Token of the next write. */
  get nextToken(): number {
    return this.#lastToken + 1;
  }

  /** Notes that the next write carries a new term or vote. */
  hardChanged(): void {
    this.#hardToken = this.nextToken;
  }

  /** Token after which the present term and vote are durable. */
  get hardToken(): number {
    return this.#hardToken;
  }

  /** Token after which the log is durable up to `index`. */
  tokenFor(index: number): number {
    if (index <= this.#upTo) return this.#persistedToken;
    return this.#outstanding.find((write) => write.upTo >= index)?.token ?? this.nextToken;
  }

  /** Whether the write with this token is done. */
  isPersisted(token: number): boolean {
    return token <= this.#persistedToken;
  }

  /** A write has begun. */
  written(upTo: number, now: number): number {
    this.#lastToken += 1;
    this.#outstanding.push({ token: this.#lastToken, upTo, since: now });
    return this.#lastToken;
  }

  /** The log was cut before `index`: what older writes hold of it says nothing any more. */
  truncatedFrom(index: number): void {
    this.#upTo = Math.min(this.#upTo, index - 1);
    for (const write of this.#outstanding) write.upTo = Math.min(write.upTo, index - 1);
  }

  /** The write with this token and all before it are done. An old token changes nothing. */
  persisted(token: number): void {
    assert(token <= this.#lastToken, 'only what was written can be durable');
    let done = 0;
    for (const write of this.#outstanding) {
      if (write.token > token) break;
      this.#upTo = Math.max(this.#upTo, write.upTo);
      done += 1;
    }
    this.#outstanding.splice(0, done);
    this.#persistedToken = Math.max(this.#persistedToken, token);
  }

  /** The log was replaced by a durable snapshot. */
  reset(upTo: number): void {
    this.#upTo = upTo;
    for (const write of this.#outstanding) write.upTo = upTo;
  }

  /** Ticks that the oldest unfinished write has taken so far (hazard 35). */
  ageTicks(now: number): number {
    const oldest = this.#outstanding[0];
    return oldest === undefined ? 0 : now - oldest.since;
  }
}

/**
 * Says on the wire that a container is here now, when it is attached: at once, and once more in case that was
 * lost. Containers of networks without a wire need no such word: who is where is known to all hosts.
 */
import type { Clock } from '../clock.ts';
import type { Change, OpenFlowConnection } from '../datapath/openflow/connection.ts';
import { reservedPort } from '../datapath/openflow/codec/flow.ts';
import { announcements, toWire } from '../datapath/pipeline/announce.ts';
import { announceRepeatMs } from '../limits.ts';
import type { DataPlane } from './data-plane.ts';

/** What it is made of. */
export interface AnnouncerParts {
  readonly connection: Pick<OpenFlowConnection, 'apply'>;
  readonly dataPlane: Pick<DataPlane, 'endpointOnWire'>;
  readonly clock: Clock;
}

/** Announces containers. */
export class Announcer {
  readonly #parts: AnnouncerParts;
  readonly #ending = new AbortController();

  constructor(parts: AnnouncerParts) {
    this.#parts = parts;
  }

  /** Announces an endpoint of this host, in the background. */
  announce(endpointId: string): void {
    void this.#sayTwice(endpointId).catch(() => undefined);
  }

  /** Says nothing more. */
  close(): void {
    this.#ending.abort();
  }

  /** What is not said, because the switch is away, is as if it had been lost. */
  async #sayTwice(endpointId: string): Promise<void> {
    const { signal } = this.#ending;
    await this.#say(endpointId).catch(() => undefined);
    await this.#parts.clock.sleep(announceRepeatMs, signal);
    await this.#say(endpointId);
  }

  async #say(endpointId: string): Promise<void> {
    const { connection, dataPlane } = this.#parts;
    const found = dataPlane.endpointOnWire(endpointId);
    if (found === undefined) return;
    const actions = toWire(found.segment);
    const out = announcements(found.endpoint).map((data): Change => ({
      kind: 'packetOut',
      inPort: reservedPort.controller,
      actions,
      data,
    }));
    if (out.length > 0) await connection.apply(out);
  }
}

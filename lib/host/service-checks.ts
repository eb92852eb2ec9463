/**
 * Asks containers of this host that are behind a service with a check whether its ports take connections, by frames to
 * their own ports of the switch (`pipeline/check-frames.ts`), and hears their answers (`pipeline/checks.ts`). What comes
 * of it is decided in `services/checks.ts`, and told the other hosts by `check-loop.ts`. While there is no switch, or no
 * agent, everybody stays as he was told to be.
 */
import { randomInt } from 'node:crypto';
import type { Clock } from '../clock.ts';
import type { BridgeFlows } from '../datapath/bridge-flows.ts';
import type { Change, OpenFlowConnection, SwitchNews } from '../datapath/openflow/connection.ts';
import { reservedPort } from '../datapath/openflow/codec/flow.ts';
import type { PacketIn } from '../datapath/openflow/codec/messages.ts';
import {
  checkEndFrame,
  checkSources,
  questionFrame,
  readCheckAnswer,
} from '../datapath/pipeline/check-frames.ts';
import { checkWay, type CheckWay } from '../datapath/pipeline/checks.ts';
import { cookieKinds, readCookie } from '../datapath/pipeline/fields.ts';
import { checkLateMs, flowsWaitMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import { Checks, type CheckTarget, type Try } from '../services/checks.ts';
import { checkedPorts } from '../services/service.ts';
import type { DataPlane } from './data-plane.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';

/** What it is made of. */
export interface ServiceCheckParts {
  readonly connection: Pick<OpenFlowConnection, 'apply' | 'onNews' | 'onState' | 'state'>;
  readonly dataPlane: Pick<DataPlane, 'checked' | 'portOf'>;
  readonly flows: Pick<BridgeFlows, 'settled'>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** How a container is asked for a service. */
interface Place {
  readonly target: CheckTarget;
  readonly mac: string;
  readonly way: CheckWay;
}

const numbers = 2 ** 32;
const keyOf = ({ endpointId, service }: Pick<Try, 'endpointId' | 'service'>): string =>
  `${endpointId} ${service}`;

/** Checks at work. */
export class ServiceChecks {
  readonly #parts: ServiceCheckParts;
  readonly #checks = new Checks();
  readonly #loop: Loop;
  readonly #stops: readonly (() => void)[];
  #places = new Map<string, Place>();
  /** Who was asked at which OpenFlow port. */
  readonly #asked = new Map<number, string>();
  readonly #listeners = new Set<() => void>();
  #isRead = false;
  #isResumed = true;
  #isStale = true;
  #source = 0;
  #said = -1;
  #leftOut = 0;
  /** When the next run was to be. */
  #plannedMs = Infinity;

  /** The switch may be absent, and come and go. */
  constructor(parts: ServiceCheckParts) {
    const { connection, clock, log } = parts;
    this.#parts = parts;
    this.#stops = [
      connection.onNews((news) => {
        if (isAnswer(news)) this.#hear(news);
      }),
      connection.onState((state) => {
        this.#checks.interrupt(clock.monotonicMs());
        if (state === 'ready') this.#loop.kick();
      }),
    ];
    this.#loop = startLoop({
      clock,
      pace: reconcilePace,
      run: (signal) => this.#run(signal),
      // without a switch nobody is asked, and its own condition says so
      onError: (thrown) => log.debug({ err: thrown }, 'services are not checked at the moment'),
    });
  }

  /**
   * The services that attachments of this host fail, by name in order; who is not in it fails none. Undefined as long
   * as it is not known who is behind which.
   */
  failed(): ReadonlyMap<string, readonly string[]> | undefined {
    return this.#isResumed ? undefined : this.#checks.failed();
  }

  /** Tells when that has changed. */
  onChange(listener: () => void): void {
    this.#listeners.add(listener);
  }

  /** All rows of the site were read. */
  begin(): void {
    this.#isRead = true;
    this.touch();
  }

  /** Services or containers are others. */
  touch(): void {
    this.#isStale = true;
    this.#loop.kick();
  }

  /** Asks nobody any more. */
  async close(): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#loop.close();
  }

  async #run(signal: AbortSignal): Promise<number | undefined> {
    const { connection, clock, flows } = this.#parts;
    if (!this.#isRead) return undefined;
    if (this.#isStale) this.#look();
    if (this.#places.size === 0 || connection.state() !== 'ready') return this.#plan(undefined);
    // answers of who has no flow yet would not come
    await flows.settled(AbortSignal.any([signal, AbortSignal.timeout(flowsWaitMs)]));
    const nowMs = clock.monotonicMs();
    // who was late himself has not heard what others said in time
    if (nowMs - this.#plannedMs > checkLateMs) this.#checks.interrupt(nowMs);
    const tries = this.#checks.ask({
      nowMs,
      draw: () => randomInt(numbers),
      canAsk: (target) => this.#portOf(target) !== undefined,
    });
    this.#tell();
    const out = tries.flatMap((each) => this.#question(each));
    try {
      if (out.length > 0) await connection.apply(out);
    } catch (thrown) {
      this.#checks.interrupt(nowMs);
      throw thrown;
    }
    return this.#plan(this.#checks.nextMs(clock.monotonicMs()));
  }

  /** How long until then, and notes it. */
  #plan(atMs: number | undefined): number | undefined {
    this.#plannedMs = atMs ?? Infinity;
    return atMs === undefined ? undefined : Math.max(0, atMs - this.#parts.clock.monotonicMs());
  }

  /** Finds who is to be checked. */
  #look(): void {
    const { dataPlane, clock, log } = this.#parts;
    this.#isStale = false;
    this.#places = new Map();
    for (const { service, check, backend, segment } of dataPlane.checked()) {
      const way = checkWay(backend, service, segment);
      const ports = checkedPorts(service.ports);
      if (way === undefined || ports.length === 0) continue;
      const { endpointId, mac } = backend;
      const name = service.id.slice(service.id.indexOf(':') + 1);
      const hasFailed = backend.check === 'failed';
      const target = { service: name, endpointId, ports, check, hasFailed };
      this.#places.set(keyOf(target), { target, mac, way });
    }
    this.#asked.clear();
    const targets = this.#places.values().map(({ target }) => target);
    this.#checks.set(targets, { nowMs: clock.monotonicMs(), isResumed: this.#isResumed });
    this.#isResumed = false;
    const { leftOutCount } = this.#checks;
    if (leftOutCount !== this.#leftOut && leftOutCount > 0) {
      log.warn({ leftOutCount }, 'there are more containers to check than one host does');
    }
    this.#leftOut = leftOutCount;
    this.#tell();
  }

  #portOf({ endpointId }: Pick<Try, 'endpointId'>): number | undefined {
    return this.#parts.dataPlane.portOf(endpointId);
  }

  #question(asked: Try): readonly Change[] {
    const place = this.#places.get(keyOf(asked));
    const out = this.#portOf(asked);
    if (place === undefined || out === undefined) return [];
    this.#asked.set(out, asked.endpointId);
    this.#source = (this.#source + 1) % checkSources.count;
    const { id, port } = asked;
    const source = checkSources.first + this.#source;
    return [packetTo(out, questionFrame({ ...place.way, mac: place.mac, source, port, id }))];
  }

  #hear({ match: { inPort }, data }: PacketIn): void {
    if (typeof inPort !== 'number') return;
    const answer = readCheckAnswer(data);
    const endpointId = this.#asked.get(inPort);
    if (answer?.isOpen !== undefined && endpointId !== undefined) {
      this.#checks.answered({ ...answer, endpointId }, answer.isOpen);
      this.#tell();
    }
    const end = checkEndFrame(data);
    if (end === undefined) return;
    // what is not ended ends by itself
    void this.#parts.connection.apply([packetTo(inPort, end)]).catch(() => undefined);
  }

  #tell(): void {
    const { turns } = this.#checks;
    if (turns === this.#said) return;
    this.#said = turns;
    for (const listener of this.#listeners) listener();
  }
}

const isAnswer = (news: SwitchNews): news is PacketIn =>
  news.kind === 'packetIn' && readCookie(news.cookie)?.kind === cookieKinds.check;

const packetTo = (port: number, data: Uint8Array): Change => ({
  kind: 'packetOut',
  inPort: reservedPort.controller,
  actions: [{ kind: 'output', port }],
  data,
});

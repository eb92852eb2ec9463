/**
 * Tells the other hosts what this host's engine says of the containers on networks that they share: name, other names,
 * labels, whether they work, whether they are being stopped. Names, services and `policy explain` of all hosts go by it.
 * Runs beside the plugin calls, never inside one. Without an engine what was told last stays: containers may go on
 * without it.
 */
import type { Clock } from '../clock.ts';
import type { DockerClient, DockerContainer } from '../docker/client.ts';
import { containerEvents, followDockerEvents, type DockerEvent } from '../docker/events.ts';
import { hasCode } from '../errors.ts';
import { containerStoppingMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import {
  planTellAnew,
  planTellContainer,
  toldAliases,
  toldLabels,
  type EngineContainer,
} from '../network/containers.ts';
import { freshReads } from '../store/fresh-reads.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import { readEndpoints, readSharedNames } from './records.ts';

/** What the loop is made of. */
export interface ContainerLoopParts {
  readonly store: StateStore;
  readonly docker: DockerClient;
  readonly dockerSocket: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts the loop and the event stream that wakes it. */
export function startContainerLoop(parts: ContainerLoopParts): Loop {
  const { clock, log } = parts;
  const stopping = new Stopping(clock);
  const aliases = new Aliases(parts.docker);
  return startLoop({
    clock,
    pace: reconcilePace,
    run: async (signal) => {
      await tellOnce(parts, { stopping, aliases }, signal);
      return stopping.nextMs;
    },
    onError: (thrown) => {
      // that Docker is away is the sweep's to say
      if (!hasCode(thrown, 'DOCKER_DOWN')) {
        log.warn({ err: thrown }, 'could not tell the other hosts of containers');
      }
    },
    wokenBy: (kick, signal) =>
      followDockerEvents({
        socketPath: parts.dockerSocket,
        clock,
        signal,
        filter: containerEvents,
        listener: (told) => {
          if (told.kind === 'disconnected') return;
          if (told.kind === 'event') stopping.take(told.event);
          kick();
        },
      }),
  });
}

/** Signals that end a program unless it minds them (signal(7)): HUP and the user's own mean something else. */
const endings = new Set(['2', '3', '9', '15']);

/** Containers that were told to stop, as the engine says it, or as it said to the agent before this one. */
class Stopping {
  readonly #clock: Clock;
  readonly #untilMs = new Map<string, number>();
  /** Attachments of which it is known what the agent before this one was told. */
  readonly #looked = new Set<string>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take({ action, id, signal }: DockerEvent): void {
    if (action === 'die' || action === 'start') this.#untilMs.delete(id);
    if (action !== 'kill' || !endings.has(signal ?? '')) return;
    this.resume(id);
  }

  /** It is being stopped, as of now. */
  resume(id: string): void {
    this.#untilMs.set(id, this.#clock.monotonicMs() + containerStoppingMs);
  }

  /** Whether this agent has not told of the attachment yet. */
  isNew(endpointId: string): boolean {
    return !this.#looked.has(endpointId);
  }

  told(endpointId: string): void {
    this.#looked.add(endpointId);
  }

  /** Forgets attachments that there are no more. */
  keep(endpointIds: ReadonlyMap<string, unknown>): void {
    for (const id of this.#looked) if (!endpointIds.has(id)) this.#looked.delete(id);
  }

  has(id: string): boolean {
    const untilMs = this.#untilMs.get(id);
    if (untilMs !== undefined && untilMs > this.#clock.monotonicMs()) return true;
    this.#untilMs.delete(id);
    return false;
  }

  /** When to look again, ms from now; undefined when nothing is stopping. */
  get nextMs(): number | undefined {
    if (this.#untilMs.size === 0) return undefined;
    return Math.max(0, Math.min(...this.#untilMs.values()) - this.#clock.monotonicMs());
  }
}

/** Other names of containers. They are those that an attachment began with, so each is asked about once. */
class Aliases {
  readonly #docker: DockerClient;
  readonly #known = new Map<string, readonly string[]>();

  constructor(docker: DockerClient) {
    this.#docker = docker;
  }

  async of(
    { id, name }: DockerContainer,
    endpointId: string,
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    const known = this.#known.get(endpointId);
    if (known !== undefined) return known;
    const all = await this.#docker.aliases(id, signal);
    const found = all.get(endpointId);
    // gone since it was listed: the next list has it, or not
    if (found === undefined) return [];
    const told = toldAliases(found, { id, name });
    this.#known.set(endpointId, told);
    return told;
  }

  /** Forgets attachments that there are no more. */
  keep(endpointIds: ReadonlyMap<string, unknown>): void {
    for (const id of this.#known.keys()) if (!endpointIds.has(id)) this.#known.delete(id);
  }
}

/** Tells what is new of the containers on networks that hosts share. */
async function tellOnce(
  { store, docker }: ContainerLoopParts,
  { stopping, aliases }: { readonly stopping: Stopping; readonly aliases: Aliases },
  signal: AbortSignal,
): Promise<void> {
  const networks = await readSharedNames(store);
  if (networks.size === 0) return;
  const containers = new Map(
    (await docker.containers(signal)).flatMap((one) =>
      one.endpointIds.map((endpointId) => [endpointId, one] as const),
    ),
  );
  for (const each of [aliases, stopping]) each.keep(containers);
  const reads = freshReads(store, 'local');
  // what the agent before this one wrote last may not have come back to here
  const sure = freshReads(store, 'linearizable');
  for (const { value: endpoint } of await readEndpoints(store)) {
    const network = networks.get(endpoint.networkId);
    const container = containers.get(endpoint.id);
    // one that is being started is told of when it has started
    if (network === undefined || container === undefined) continue;
    const of = { network, endpointId: endpoint.id };
    const isStopping = stopping.has(container.id);
    const told = toldOf(container, {
      aliases: await aliases.of(container, endpoint.id, signal),
      isStopping,
    });
    if (!stopping.isNew(endpoint.id)) {
      await runPlan(reads, () => planTellContainer(of, told));
      continue;
    }
    const wasStopping = await runPlan(sure, () => planTellAnew(of, told));
    if (wasStopping && !isStopping) stopping.resume(container.id);
    stopping.told(endpoint.id);
  }
}

function toldOf(
  { id, name, labels, works }: DockerContainer,
  { aliases, isStopping }: { readonly aliases: readonly string[]; readonly isStopping: boolean },
): EngineContainer {
  const about = {
    id,
    name,
    ...(aliases.length === 0 ? {} : { aliases: [...aliases] }),
    labels: toldLabels(labels),
  };
  if (isStopping) return { ...about, state: 'stopping' };
  return works ? about : { ...about, state: 'failing' };
}

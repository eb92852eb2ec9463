/**
 * Tells the other hosts what this host's engine says of containers that services may be in front of: labels, name,
 * whether they work, whether they are being stopped. Runs beside the plugin calls, never inside one, and only for
 * tenants that have services. Without an engine what was told last stays: containers may go on without it.
 */
import type { Clock } from '../clock.ts';
import type { DockerClient, DockerContainer } from '../docker/client.ts';
import { containerEvents, followDockerEvents, type DockerEvent } from '../docker/events.ts';
import { hasCode } from '../errors.ts';
import { containerStoppingMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import { objectOfKey } from '../model/objects/object-keys.ts';
import type { SiteContainer } from '../model/site.ts';
import { planTellContainer, toldLabels } from '../network/containers.ts';
import { serviceRange } from '../network/service-view.ts';
import { freshReads } from '../store/fresh-reads.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import { readEndpoints, readNetworks, readRows } from './records.ts';
import { watchHints } from './store-hints.ts';

/** What the loop is made of. */
export interface ContainerLoopParts {
  readonly store: StateStore;
  readonly docker: DockerClient;
  readonly dockerSocket: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts the loop, the event stream and the watch that wake it. */
export function startContainerLoop(parts: ContainerLoopParts): Loop {
  const { clock, store, log } = parts;
  const stopping = new Stopping(clock);
  const loop = startLoop({
    clock,
    pace: reconcilePace,
    run: async (signal) => {
      await tellOnce(parts, stopping, signal);
      return stopping.nextMs;
    },
    onError: (thrown) => {
      // that Docker is away is the sweep's to say
      if (!hasCode(thrown, 'DOCKER_DOWN')) {
        log.warn({ err: thrown }, 'could not tell the other hosts of containers');
      }
    },
  });
  const ending = new AbortController();
  const following = followDockerEvents({
    socketPath: parts.dockerSocket,
    clock,
    signal: ending.signal,
    filter: containerEvents,
    listener: (told) => {
      if (told.kind === 'disconnected') return;
      if (told.kind === 'event') stopping.take(told.event);
      loop.kick();
    },
  });
  const ranges = [serviceRange];
  const onHint = () => loop.kick();
  const watching = watchHints({ store, clock, ranges, signal: ending.signal, onHint });
  return {
    kick: onHint,
    settled: (signal) => loop.settled(signal),
    async close() {
      ending.abort();
      await Promise.all([following, watching, loop.close()]);
    },
  };
}

/** Signals that end a program unless it minds them (signal(7)): HUP and the user's own mean something else. */
const endings = new Set(['2', '3', '9', '15']);

/** Containers that were told to stop, as the engine says it. */
class Stopping {
  readonly #clock: Clock;
  readonly #untilMs = new Map<string, number>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take({ action, id, signal }: DockerEvent): void {
    if (action === 'die' || action === 'start') this.#untilMs.delete(id);
    if (action !== 'kill' || !endings.has(signal ?? '')) return;
    this.#untilMs.set(id, this.#clock.monotonicMs() + containerStoppingMs);
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

/** Tells what is new of the containers of tenants that have services. */
async function tellOnce(
  { store, docker }: ContainerLoopParts,
  stopping: Stopping,
  signal: AbortSignal,
): Promise<void> {
  const services = await readRows(store, serviceRange);
  const tenants = new Set(services.map(({ key }) => objectOfKey('serviceLB', key).parts[0]));
  if (tenants.size === 0) return;
  const networks = new Map(
    (await readNetworks(store)).flatMap(({ value: { id, site } }) =>
      site !== undefined && tenants.has(site.tenant) ? [[id, site] as const] : [],
    ),
  );
  if (networks.size === 0) return;
  const containers = new Map(
    (await docker.containers(signal)).flatMap((one) =>
      one.endpointIds.map((endpointId) => [endpointId, one] as const),
    ),
  );
  const reads = freshReads(store, 'local');
  for (const { value: endpoint } of await readEndpoints(store)) {
    const network = networks.get(endpoint.networkId);
    const container = containers.get(endpoint.id);
    // one that is being started is told of when it has started
    if (network === undefined || container === undefined) continue;
    const told = toldOf(container, stopping.has(container.id));
    await runPlan(reads, () => planTellContainer({ network, endpointId: endpoint.id }, told));
  }
}

function toldOf({ id, name, labels, works }: DockerContainer, isStopping: boolean): SiteContainer {
  const about = { id, name, labels: toldLabels(labels) };
  if (isStopping) return { ...about, state: 'stopping' };
  return works ? about : { ...about, state: 'failing' };
}

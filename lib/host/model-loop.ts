/**
 * Keeps on this host's engine the Docker networks that the model has: makes those that are missing, removes those
 * that we made and the model has no more, and says what is in the way. Runs beside the plugin calls, never inside
 * one: the engine asks us for all that it does here. Who wants a change to have arrived here waits for `followed`.
 */
import type { Clock } from '../clock.ts';
import { firstFew, type Conditions } from '../conditions.ts';
import type { DockerClient } from '../docker/client.ts';
import { asFairleadError, describeError, FairleadError, hasCode } from '../errors.ts';
import { followWaitMs, reconcileRetryMaxMs, swarmFreshMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import { endpointGroupKind } from '../model/objects/endpoint-group.ts';
import { objectRange } from '../model/objects/object-keys.ts';
import { objectRowSchema, withZeros } from '../model/objects/rows.ts';
import { siteNetworkRange } from '../model/site-keys.ts';
import { siteNetworkSchema } from '../model/site.ts';
import {
  planDockerNetworks,
  wantedDockerNetworks,
  type DockerNetworkPlan,
  type ForeignDockerNetwork,
  type ModelGroup,
  type SeenDockerNetwork,
  type WantedDockerNetwork,
} from '../network/docker-networks.ts';
import {
  followsOption,
  groupOption,
  networkOption,
  tenantOption,
} from '../network/site-options.ts';
import type { StateStore } from '../store/port.ts';
import { isOurDriver, servesSwarm } from './our-drivers.ts';
import { reconcilePace, startLoop } from './loop.ts';
import { readNetworks, readObjects } from './records.ts';
import { watchHints } from './store-hints.ts';

/** What the loop is made of. */
export interface ModelLoopParts {
  readonly store: StateStore;
  readonly docker: DockerClient;
  /** The driver's name as the engine knows it. */
  readonly pluginName: string;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditions: Conditions;
}

/** The loop in motion. */
export interface ModelLoop {
  /** Something changed in Docker: run soon. */
  kick(): void;
  /**
   * Resolves when what was in the store at this moment was followed here, or when it takes too long or the
   * engine is away: then it follows later.
   */
  followed(): Promise<void>;
  /**
   * Asks the engine, and refuses with SWARM_MODE a network or group that it could not use, if that is a new one: it
   * is in a swarm, and no managed plugin of ours serves that. An engine that does not answer in time counts as what
   * it said last; one that never answered refuses nothing, as a host without Docker.
   */
  requireUsable(isNew: () => Promise<boolean>): Promise<void>;
  /** Refuses with SWARM_MODE by what the engine said last: for its own calls, in which it is not asked. */
  requireNoSwarm(): void;
  close(): Promise<void>;
}

const groupsRange = objectRange(endpointGroupKind.name, []);

/** Starts the loop. */
export function startModelLoop(parts: ModelLoopParts): ModelLoop {
  const { clock, store, conditions, log } = parts;
  const engine: EngineState = {
    ...{ answers: false, inSwarm: false, isServed: false, isAway: false },
    askedMs: -swarmFreshMs,
  };
  const loop = startLoop({
    clock,
    pace: reconcilePace,
    run: async (signal) => {
      engine.isAway = false;
      await readSwarm(parts, engine, signal);
      const failed = await followOnce(parts, engine, signal);
      engine.answers = true;
      // nobody says when a swarm ends
      return failed || engine.inSwarm ? reconcileRetryMaxMs : undefined;
    },
    onError: (thrown) => {
      engine.answers = false;
      engine.isAway = hasCode(thrown, 'DOCKER_DOWN');
      // that Docker is away is the sweep's to say
      if (!engine.isAway) log.warn({ err: thrown }, 'could not follow the model');
    },
    wokenBy: (kick, signal) =>
      watchHints({
        ...{ store, clock, signal },
        ranges: [siteNetworkRange, groupsRange],
        // an engine that is away is tried now and then, not for every change: all is read again when it is back
        onHint: () => {
          if (!engine.isAway) kick();
        },
      }),
  });
  return {
    kick: () => loop.kick(),
    async followed() {
      if (!engine.answers || engine.inSwarm) return;
      await loop.settled(AbortSignal.timeout(followWaitMs)).catch(() => undefined);
    },
    async requireUsable(isNew) {
      if (!(await isNew())) return;
      // who was refused may have mended it since, and tries again
      if (engine.inSwarm || clock.monotonicMs() - engine.askedMs >= swarmFreshMs) {
        // what it said last holds while it does not answer; of one that never did, nothing is known
        await readSwarm(parts, engine, AbortSignal.timeout(followWaitMs)).catch(() => undefined);
      }
      // a swarm whose services can use it is a reason to make it
      requireNoSwarm(engine.inSwarm && !engine.isServed);
    },
    requireNoSwarm: () => requireNoSwarm(engine.inSwarm),
    async close() {
      await loop.close();
      conditions.clear('DOCKER_NETWORK_FOREIGN');
    },
  };
}

/** What the engine said last. */
interface EngineState {
  /** The last look at the model was whole. */
  answers: boolean;
  inSwarm: boolean;
  /** Services of the swarm can use networks of the model, by a managed plugin of ours. */
  isServed: boolean;
  isAway: boolean;
  /** When it was asked last, whether it answered or not. */
  askedMs: number;
}

async function readSwarm(
  { docker, clock }: Pick<ModelLoopParts, 'docker' | 'clock'>,
  engine: EngineState,
  signal: AbortSignal,
): Promise<void> {
  try {
    engine.inSwarm = (await docker.engine(signal)).inSwarm;
    engine.isServed = engine.inSwarm && servesSwarm(await docker.plugins(signal));
  } finally {
    engine.askedMs = clock.monotonicMs();
  }
}

function requireNoSwarm(inSwarm: boolean): void {
  if (!inSwarm) return;
  throw new FairleadError(
    'SWARM_MODE',
    "nothing was made: this host's engine is in swarm mode, whose services cannot use networks of this plugin",
  );
}

/** One comparison; answers whether something could not be done. */
async function followOnce(
  parts: ModelLoopParts,
  { inSwarm, isServed }: EngineState,
  signal: AbortSignal,
): Promise<boolean> {
  const { store, docker, pluginName, conditions } = parts;
  const seen: SeenDockerNetwork[] = (await docker.networks(signal)).map(
    ({ id, name, driver, labels }) => {
      const isOurs = isOurDriver(driver, pluginName);
      return { id, name, driver, labels, isOurs };
    },
  );
  // after the engine: what it has by then, this host knows
  const known = new Map((await readNetworks(store)).map(({ value }) => [value.id, value]));
  const wanted = wantedDockerNetworks(await readModelNetworks(store), await readGroups(store));
  const plan = planDockerNetworks(wanted, seen, known);
  // in a swarm none is made, and its own may be called as those of the model that they are
  conditions.set('DOCKER_NETWORK_FOREIGN', inSwarm ? undefined : foreignText(plan.foreign));
  const isBarred = inSwarm && !isServed;
  conditions.set('DOCKER_SWARM', isBarred ? swarmText(wanted.length) : undefined);
  const failures = await carryOut(parts, inSwarm ? { ...plan, create: [] } : plan, signal);
  conditions.set('DOCKER_NETWORK_FAILED', firstFew(failures));
  return failures.length > 0;
}

/** Does what is planned as far as the engine does it; answers what it does not. */
async function carryOut(
  { docker, pluginName, log }: ModelLoopParts,
  { remove, create }: DockerNetworkPlan,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const failures: string[] = [];
  const held = new Set<string>();
  for (const { id, name } of remove) {
    const error = await refusalOf(docker.removeNetwork(id, signal));
    if (error === undefined) log.info({ network: id, name }, 'removed a Docker network');
    else failures.push(`${name}: ${error}`);
    if (error !== undefined) held.add(name);
  }
  for (const network of create) {
    if (held.has(network.name)) continue;
    const error = await refusalOf(docker.createNetwork(newNetwork(network, pluginName), signal));
    if (error === undefined) log.info({ name: network.name }, 'made a Docker network');
    else failures.push(`${network.name}: ${error}`);
  }
  return failures;
}

/** What the engine says against it; whatever else goes wrong ends the run. */
async function refusalOf(done: Promise<unknown>): Promise<string | undefined> {
  try {
    await done;
    return undefined;
  } catch (thrown) {
    const error = asFairleadError(thrown);
    if (!hasCode(error, 'DOCKER_REFUSED')) throw error;
    return describeError(error);
  }
}

function newNetwork(
  { name, site, group, internal, subnets, labels }: WantedDockerNetwork,
  driver: string,
): Parameters<DockerClient['createNetwork']>[0] {
  const options = {
    [tenantOption]: site.tenant,
    [networkOption]: site.network,
    ...(group === undefined ? {} : { [groupOption]: group }),
    [followsOption]: 'model',
  };
  return {
    name,
    driver,
    options,
    ipamOptions: options,
    labels,
    internal,
    ipv6: subnets.some(({ cidr }) => cidr.includes(':')),
    subnets: subnets.map(({ cidr, gateway }) => ({ subnet: cidr, gateway })),
  };
}

async function readModelNetworks(store: StateStore) {
  const rows = await readObjects(store, siteNetworkRange, siteNetworkSchema);
  return rows.map(({ value }) => value);
}

async function readGroups(store: StateStore): Promise<readonly ModelGroup[]> {
  const rows = await readObjects(store, groupsRange, objectRowSchema(endpointGroupKind));
  return rows.map(({ value }) => {
    const config = withZeros(endpointGroupKind, value.config);
    return {
      tenant: String(config['tenantName']),
      group: String(config['groupName']),
      network: String(config['networkName']),
    };
  });
}

function foreignText(foreign: readonly ForeignDockerNetwork[]): string | undefined {
  const what = firstFew(
    foreign.map(({ name, id, driver }) => `${name} (${id.slice(0, 12)}, driver ${driver})`),
    'remove or rename what is not needed',
  );
  return what && `not ours, and in the way of networks of the model: ${what}`;
}

const swarmText = (count: number): string =>
  `the engine is in swarm mode, whose services cannot use networks of this plugin: the model's ${count} are for docker run only, and no more are made; enable the managed plugin, or docker swarm leave ends it`;

/**
 * Tells the site which addresses are those of a swarm's services. Only managers know, so only an agent whose engine is
 * one writes; all of them do, and write the same. Runs beside the plugin calls, never inside one. An engine that does
 * not answer, or has no leader to ask, takes nothing back.
 */
import type { Clock } from '../clock.ts';
import type { DockerClient, DockerService } from '../docker/client.ts';
import { followDockerEvents, serviceEvents } from '../docker/events.ts';
import { hasCode } from '../errors.ts';
import { formatAddress, parseInterface } from '../ip/ip.ts';
import { swarmVipConfirmMs, swarmVipLookMs, swarmVipLooks, swarmVipsMax } from '../limits.ts';
import type { Logger } from '../log.ts';
import {
  parseSwarmVipKey,
  swarmNetworkRange,
  swarmVipKey,
  swarmVipRange,
} from '../model/site-keys.ts';
import { decodeRecord } from '../model/record.ts';
import { swarmVipSchema } from '../model/site.ts';
import {
  compareVips,
  planForgetVip,
  planTellVip,
  type KnownVip,
  type MissingVips,
  type ToldVip,
  type VipListing,
} from '../network/swarm-vips.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import { readRows } from './records.ts';

/** What the loop is made of. */
export interface SwarmVipLoopParts {
  readonly store: StateStore;
  readonly docker: DockerClient;
  readonly dockerSocket: string;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts the loop and the event stream that wakes it. */
export function startSwarmVipLoop(parts: SwarmVipLoopParts): Loop {
  const { clock, log } = parts;
  const teller = new Teller(parts);
  return startLoop({
    clock,
    pace: reconcilePace,
    run: (signal) => teller.tell(signal),
    onError: (thrown) => {
      // that Docker is away is the sweep's to say; a swarm may be without a leader for a while
      if (hasCode(thrown, 'DOCKER_DOWN')) return;
      log.debug({ err: thrown }, 'could not tell the other hosts of services of the swarm');
    },
    wokenBy: (kick, signal) =>
      followDockerEvents({
        socketPath: parts.dockerSocket,
        clock,
        signal,
        filter: serviceEvents,
        listener: (told) => {
          if (told.kind === 'disconnected') return;
          if (told.kind === 'event') teller.hear(told.event);
          kick();
        },
      }),
  });
}

/** What was heard and seen of the swarm so far. */
class Teller {
  readonly #parts: SwarmVipLoopParts;
  #missing: MissingVips = new Map();
  readonly #removed = new Set<string>();
  /** How often to look again soon. */
  #looks = 0;
  /** What was said in the log, so that it is said once. */
  #unfit = '';

  constructor(parts: SwarmVipLoopParts) {
    this.#parts = parts;
  }

  /** Ids are never used again, so a service that was removed stays so. */
  hear({ type, action, id }: { type: string; action: string; id: string }): void {
    this.#looks = swarmVipLooks;
    if (type !== 'service' || action !== 'remove') return;
    if (this.#removed.size < swarmVipsMax) this.#removed.add(id);
  }

  /** Once; answers in how many ms to look again, if that is sooner than usual. */
  async tell(signal: AbortSignal): Promise<number | undefined> {
    const { store, docker, clock } = this.#parts;
    const { isManager } = await docker.engine(signal);
    if (!isManager) {
      this.#missing = new Map();
      this.#removed.clear();
      this.#looks = 0;
      return undefined;
    }
    const heard = new Set(this.#removed);
    // before the listing: what comes after it is not judged by it
    const rows = await readVips(store);
    const listing = await listVips(this.#parts, signal);
    const { told, forgotten, missing } = compareVips(rows, listing, {
      missing: this.#missing,
      removed: heard,
      nowMs: clock.monotonicMs(),
      confirmMs: swarmVipConfirmMs,
    });
    for (const row of forgotten) await this.#forget(row);
    const room = swarmVipsMax - (rows.length - forgotten.length);
    const unfit = told.slice(room).map((vip) => `${nameOf(vip)}: there are ${swarmVipsMax} others`);
    for (const vip of told.slice(0, room)) unfit.push(...(await this.#tellOne(vip)));
    this.#complain(unfit.toSorted());
    this.#missing = missing;
    for (const id of heard) this.#removed.delete(id);
    if (this.#looks > 0) this.#looks -= 1;
    if (this.#looks > 0) return swarmVipLookMs;
    return missing.size === 0 ? undefined : swarmVipConfirmMs / 4;
  }

  async #forget({ key, modRevision, value }: KnownVip): Promise<void> {
    const { store, log } = this.#parts;
    if (!(await runPlan(store, () => planForgetVip(key, modRevision)))) return;
    log.info({ service: value.name, id: value.service }, 'a service of the swarm has gone');
  }

  /** Answers what is wrong. */
  async #tellOne(vip: ToldVip): Promise<readonly string[]> {
    const { store, log } = this.#parts;
    const answer = await runPlan(store, () => planTellVip(vip));
    if (answer === 'new') {
      const { id, name } = vip.service;
      log.info(
        { service: name, id, address: formatAddress(vip.address) },
        'a service of the swarm',
      );
    }
    if (answer === 'taken') return [`${nameOf(vip)}: a container has it`];
    return answer === 'outside' ? [`${nameOf(vip)}: the network's subnets do not have it`] : [];
  }

  #complain(unfit: readonly string[]): void {
    const text = unfit.join(', ');
    if (text !== '' && text !== this.#unfit) {
      this.#parts.log.warn(
        { addresses: unfit.slice(0, 8), count: unfit.length },
        'addresses of services of the swarm that lead nowhere',
      );
    }
    this.#unfit = text;
  }
}

const nameOf = ({ address, service }: ToldVip): string =>
  `${formatAddress(address)} of ${service.name}`;

async function readVips(store: StateStore): Promise<readonly KnownVip[]> {
  return (await readRows(store, swarmVipRange)).flatMap((row) => {
    const networkId = parseSwarmVipKey(row.key)?.networkId;
    if (networkId === undefined) return [];
    return { ...decodeRecord(swarmVipSchema, row), key: row.key, networkId };
  });
}

/** What the swarm has in networks of ours. */
async function listVips(
  { docker, store }: Pick<SwarmVipLoopParts, 'docker' | 'store'>,
  signal: AbortSignal,
): Promise<VipListing> {
  const services = await docker.services(signal);
  const networks = await docker.networks(signal);
  const rows = await readRows(store, swarmNetworkRange);
  const ours = new Set(rows.map(({ key }) => key.slice(swarmNetworkRange.start.length)));
  const vips = services.flatMap(vipsOf).filter(({ networkId }) => ours.has(networkId));
  return {
    networks: new Set(networks.map(({ id }) => id)),
    services: new Map(services.map((one) => [one.id, one] as const)),
    vips: new Map(vips.map((vip) => [keyOf(vip), vip] as const)),
  };
}

const keyOf = ({ networkId, address }: ToldVip): string => swarmVipKey(networkId, address);

const vipsOf = (service: DockerService): readonly ToldVip[] =>
  service.addresses.map(({ networkId, address }) => ({
    networkId,
    address: parseInterface(address).address,
    service,
  }));

/**
 * Keeps this host in each infra network of its site: an endpoint of its own, a link with its addresses, and the routes
 * to networks that hosts may reach. Notes first, then makes; what is there already is left. Without a majority what is
 * noted is kept right, and nothing new is noted.
 */
import type { Clock } from '../clock.ts';
import { firstFew, type Conditions } from '../conditions.ts';
import { InfraLinks, type InfraLinksParts } from '../datapath/infra/infra-links.ts';
import type { HostState } from '../datapath/infra/obstacles.ts';
import type { LinkEvent, Links, LinkWatch } from '../datapath/link/links.ts';
import { asFairleadError, describeError, hasCode, type FairleadError } from '../errors.ts';
import { infraRestFactor, infraRestMaxMs } from '../limits.ts';
import type { Logger } from '../log.ts';
import type { Endpoint } from '../model/endpoint.ts';
import { decodeRecord } from '../model/record.ts';
import { nodeRange, siteNetworkRange } from '../model/site-keys.ts';
import { nodeSchema, siteNetworkSchema, type SiteNetwork } from '../model/site.ts';
import { isInfra, planEnterInfra, planHostLink, planLeaveInfra } from '../network/infra.ts';
import { sharedSpace } from '../network/ipam/space.ts';
import { NodeMtus } from '../network/node-mtus.ts';
import { linkNames } from '../network/port.ts';
import { freshReads } from '../store/fresh-reads.ts';
import { runPlanNear } from '../store/near-first.ts';
import type { StateStore, WatchEvent } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { infraWish, planInfra, titleOf, type InfraPlan, type OwnInfra } from './infra-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import { readEndpoints, readNetworks, readObjects, readRows } from './records.ts';
import { watchHints } from './store-hints.ts';
import type { Switching } from './switching.ts';

/** What looks are made with. */
export interface HostInfraParts {
  readonly hostName: string;
  readonly store: StateStore;
  readonly links: InfraLinksParts['links'];
  readonly settings: InfraLinksParts['settings'];
  readonly switching: {
    readonly attachHost: Switching['attachHost'];
    readonly ports: Pick<Switching['ports'], 'release'>;
  };
  readonly log: Logger;
  readonly conditions: Conditions;
}

/** What the loop is made of. */
export interface InfraLoopParts extends HostInfraParts {
  readonly links: Links;
  readonly clock: Clock;
}

/** Starts the loop. */
export function startInfraLoop(parts: InfraLoopParts): Loop {
  const { clock, log, store, links } = parts;
  const infra = new HostInfra(parts);
  let watch: LinkWatch | undefined;
  const loop = startLoop({
    clock,
    // all networks are looked at, and a site may get thousands one after the other
    pace: { ...reconcilePace, rest: { factor: infraRestFactor, maxMs: infraRestMaxMs } },
    run: async (signal) => {
      try {
        await infra.follow();
      } finally {
        if (infra.names.size > 0 && !signal.aborted) watch ??= links.watch(onLink);
      }
    },
    // what people have to do about it is a condition
    onError: (thrown) => {
      log.debug({ err: asFairleadError(thrown) }, 'could not put infra networks right yet');
    },
    wokenBy: async (kick, signal) => {
      await watchHints({
        ...{ store, clock, signal },
        ranges: [siteNetworkRange, nodeRange],
        onHint: (changes) => {
          if (infra.isTouchedBy(changes)) kick();
        },
      });
      watch?.close();
    },
  });
  function onLink(event: LinkEvent): void {
    if (event.kind === 'lost' || infra.names.has(event.link.name)) loop.kick();
  }
  return loop;
}

/** Refusals that somebody has to do something about; others pass by themselves, or are shown elsewhere. */
const shownCodes = [
  ...['POOL_EXHAUSTED', 'NETWORK_LIMIT', 'MAC_IN_USE'],
  ...['LINK_FAILED', 'LINK_NOT_OURS', 'LINK_IN_USE', 'OUTSIDE_FAILED', 'PORT_NOT_OURS'],
] as const satisfies readonly FairleadError['code'][];

/** Whether a network that hosts are in is, or was, what changed. */
function isOfInfra(event: WatchEvent): boolean {
  const after = event.type === 'put' ? event.row : undefined;
  return [event.previous, after].some((row) => {
    const isNetwork = row?.key.startsWith(siteNetworkRange.start) ?? false;
    return isNetwork && row !== undefined && isInfra(decodeRecord(siteNetworkSchema, row).value);
  });
}

/** The infra networks of one host, one look at a time. */
export class HostInfra {
  readonly #parts: HostInfraParts;
  readonly #links: InfraLinks;
  /** What went wrong in this look. */
  #failed: { readonly what: string; readonly error: FairleadError }[] = [];
  #names: ReadonlySet<string> = new Set();
  /** There is no infra network, and this host is in none. */
  #isIdle = false;
  /** Since the last look began, an infra network may have come. */
  #isNews = false;

  constructor(parts: HostInfraParts) {
    this.#parts = parts;
    const { links, settings, switching } = parts;
    const attach = switching.attachHost;
    this.#links = new InfraLinks({ links, settings, attach, log: parts.log });
  }

  /** The names of its links, both ends. */
  get names(): ReadonlySet<string> {
    return this.#names;
  }

  /**
   * Whether a look may find something to do: without infra networks, changes of others are nothing to it, and a site
   * may get thousands of those. Without `changes`, anything may have changed.
   */
  isTouchedBy(changes?: readonly WatchEvent[]): boolean {
    if (changes === undefined || changes.some(isOfInfra)) {
      this.#isNews = true;
      this.#isIdle = false;
    }
    return !this.#isIdle;
  }

  /** One look. @throws the first of what went wrong, after all that could be done */
  async follow(): Promise<void> {
    this.#failed = [];
    this.#isNews = false;
    const networks = await readObjects(this.#parts.store, siteNetworkRange, siteNetworkSchema);
    const all = networks.map(({ value }) => value);
    const parts = await this.#leave(all);
    const present = all.filter(isInfra);
    this.#isIdle = !this.#isNews && parts + present.length === 0;
    const own = await this.#enter(present);
    this.#names = new Set(
      own.flatMap(({ endpoint: { id, link = '' } }) => [link, linkNames(id).host]),
    );
    const plan = own.length === 0 ? undefined : await this.#apply(own, all);
    this.#show(plan);
    for (const { error } of this.#failed) throw error;
  }

  /** Lets go of networks that are being removed, or are no more. Answers in how many this host was. */
  async #leave(networks: readonly SiteNetwork[]): Promise<number> {
    const { store, hostName, switching, log } = this.#parts;
    const present = new Set(networks.filter(isInfra).map(titleOf));
    let count = 0;
    for (const { value: part } of await readNetworks(store)) {
      const { id, site } = part;
      if (part.infra !== true || site === undefined) continue;
      count += 1;
      if (part.leaving !== true && present.has(sharedSpace(site))) continue;
      await this.#try(sharedSpace(site), async () => {
        const endpoints = (await readEndpoints(store)).filter(
          ({ value }) => value.networkId === id,
        );
        // each step sees at least what the one before did: of hosts that go at once, one finds that it is the last
        const reads = freshReads(store, 'linearizable');
        const plan = () => planLeaveInfra(id, hostName);
        let progress = await runPlan(reads, plan);
        if (progress === 'absent') return;
        while (progress === 'more') progress = await runPlan(reads, plan);
        for (const { value } of endpoints) switching.ports.release(value.id);
        log.info({ network: sharedSpace(site) }, 'left an infra network');
      });
    }
    return count;
  }

  /** Notes an endpoint in each network; answers those there are. */
  async #enter(networks: readonly SiteNetwork[]): Promise<readonly OwnInfra[]> {
    const { store, hostName: host, log } = this.#parts;
    const before = await this.#own(networks);
    const taken = new Set(before.map(({ endpoint }) => endpoint.link ?? ''));
    const known = new Set(before.map(({ network }) => titleOf(network)));
    const missing = networks.filter((network) => !known.has(titleOf(network)));
    for (const network of missing) {
      const site = { tenant: network.tenant, network: network.name };
      await this.#try(titleOf(network), async () => {
        const plan = (attempt: number) => planEnterInfra({ site, host, taken }, attempt);
        const endpoint = await runPlanNear(store, plan);
        if (endpoint === undefined) return;
        taken.add(endpoint.link ?? '');
        const { ipv4, ipv6 } = endpoint;
        log.info({ network: titleOf(network), ipv4, ipv6 }, 'came to an infra network');
      });
    }
    return missing.length === 0 ? before : this.#own(networks);
  }

  /** The networks in which this host has an endpoint. */
  async #own(networks: readonly SiteNetwork[]): Promise<readonly OwnInfra[]> {
    const { store } = this.#parts;
    const endpoints = new Map<string, Endpoint>();
    for (const { value } of await readEndpoints(store)) {
      if (value.link !== undefined) endpoints.set(value.networkId, value);
    }
    if (endpoints.size === 0) return [];
    const byTitle = new Map(networks.map((network) => [titleOf(network), network]));
    return (await readNetworks(store)).flatMap(({ value: part }): OwnInfra[] => {
      const endpoint = endpoints.get(part.id);
      const network = part.site && byTitle.get(sharedSpace(part.site));
      const isPresent = part.infra === true && part.leaving !== true;
      if (!isPresent || endpoint === undefined || network === undefined) return [];
      return [{ network, part, endpoint }];
    });
  }

  /** Makes links and routes what they are to be; answers what was decided. */
  async #apply(own: readonly OwnInfra[], networks: readonly SiteNetwork[]): Promise<InfraPlan> {
    const { switching } = this.#parts;
    const plan = planInfra(own, networks, await this.#links.look());
    for (const one of plan.barred) {
      await this.#try(titleOf(one.network), async () => {
        const wasThere = one.endpoint.state === 'joined';
        await this.#note(one, false);
        if (wasThere) switching.ports.release(one.endpoint.id);
      });
    }
    const mtus = await this.#mtus();
    const missing: string[] = [];
    // one that goes may have what another gets
    const state: HostState = await this.#links.look();
    for (const one of plan.wanted) {
      await this.#try(titleOf(one.network), async () => {
        const endpoint = await this.#note(one, true);
        const wish = infraWish(one, endpoint, { routes: plan.routes, mtus });
        for (const text of await this.#links.apply(wish, state)) {
          missing.push(`${titleOf(one.network)}: somebody else has a route to ${text}`);
        }
      });
    }
    return { ...plan, routesMissing: [...plan.routesMissing, ...missing] };
  }

  /** Before anything is made; most times it is noted already, and nobody is asked. */
  async #note({ endpoint }: OwnInfra, isWanted: boolean): Promise<Endpoint> {
    const reads = freshReads(this.#parts.store, 'local');
    try {
      return await runPlan(reads, () => planHostLink(endpoint, isWanted));
    } catch (thrown) {
      // without a majority a link that is noted goes on as it is
      if (!isWanted || endpoint.state !== 'joined') throw thrown;
      this.#failed.push({ what: endpoint.link ?? '', error: asFairleadError(thrown) });
      return endpoint;
    }
  }

  async #mtus(): Promise<NodeMtus> {
    const mtus = new NodeMtus();
    for (const row of await readRows(this.#parts.store, nodeRange)) {
      mtus.add(decodeRecord(nodeSchema, row).value);
    }
    return mtus;
  }

  async #try(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      this.#failed.push({ what, error: asFairleadError(thrown) });
    }
  }

  #show(plan: InfraPlan | undefined): void {
    const { conditions } = this.#parts;
    const shown = this.#failed.filter(({ error }) =>
      shownCodes.some((code) => hasCode(error, code)),
    );
    const failures = shown.map(({ what, error }) => `${what}: ${describeError(error)}`);
    conditions.set('INFRA_FAILED', firstFew(failures));
    conditions.set(
      'INFRA_LINK_TAKEN',
      firstFew(plan?.linksTaken ?? [], 'rename that, or make the network under another name'),
    );
    conditions.set(
      'INFRA_SUBNET_TAKEN',
      firstFew(
        plan?.subnetsTaken ?? [],
        'this host stays out; make the network with another subnet',
      ),
    );
    conditions.set(
      'HOST_ACCESS_FAILED',
      firstFew(plan?.routesMissing ?? [], 'fairlead network set --host-access deny ends this'),
    );
  }
}

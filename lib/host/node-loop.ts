/**
 * Tells the other hosts what they need to know of this one: where its tunnel ends, and how large a packet may
 * be on the way. Looks at the addresses of the host every moment, since they change while it runs.
 */
import type { Clock } from '../clock.ts';
import type { Conditions } from '../conditions.ts';
import type { Links } from '../datapath/link/links.ts';
import { asFairleadError, describeError, FairleadError, hasCode } from '../errors.ts';
import { reconcileIntervalMs, vtepLookMs } from '../limits.ts';
import { parseAddress } from '../ip/ip.ts';
import type { Logger } from '../log.ts';
import { decodeRecord } from '../model/record.ts';
import { nodeKey } from '../model/site-keys.ts';
import { nodeSchema, type SiteNode } from '../model/site.ts';
import { planAnnounceNode } from '../network/nodes.ts';
import type { StateStore } from '../store/port.ts';
import { runPlan } from '../store/run-plan.ts';
import { reconcilePace, startLoop, type Loop } from './loop.ts';
import { chooseVtep } from './vtep.ts';

/** What the loop is made of. */
export interface NodeLoopParts {
  readonly store: StateStore;
  readonly hostName: string;
  readonly version: string;
  /** Which boot of the machine this is. */
  readonly bootId: string;
  readonly links: Pick<Links, 'list' | 'addresses' | 'routes'>;
  /** `--vtep-ip`. */
  readonly vtepAddress: string | undefined;
  /** `--uplinks`. */
  readonly uplinks: readonly string[];
  /** Addresses by which the cluster reaches this host, in order of preference. */
  readonly advertised: () => Promise<readonly string[]>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly conditions: Conditions;
}

/** What may keep a host from being listed with an address; each is a condition. */
const obstacles = ['VTEP_UNUSABLE', 'VTEP_IN_USE', 'HOST_COPIED'] as const;

/** Starts the loop. */
export function startNodeLoop(parts: NodeLoopParts): Loop {
  const { clock, conditions, log, links } = parts;
  let lastFailure = '';
  // what was so when the host was listed, and until when that is good enough
  let before = '';
  let goodUntilMs = 0;
  let listed: SiteNode | undefined;
  const loop = startLoop({
    clock,
    pace: { ...reconcilePace, intervalMs: vtepLookMs },
    run: async () => {
      const now = JSON.stringify(await links.addresses());
      if (now === before && clock.monotonicMs() < goodUntilMs) return;
      listed = await announce(parts, listed);
      for (const code of obstacles) conditions.clear(code);
      lastFailure = '';
      before = now;
      // a host that has just joined a cluster has an address then
      goodUntilMs = clock.monotonicMs() + (listed === undefined ? 0 : reconcileIntervalMs);
    },
    onError: (thrown) => {
      const error = asFairleadError(thrown);
      goodUntilMs = 0;
      for (const code of obstacles) {
        if (hasCode(error, code)) conditions.raise(code, describeError(error));
      }
      if (error.message === lastFailure) return;
      lastFailure = error.message;
      log.warn({ err: error }, 'could not tell the other hosts about this one');
    },
  });
  return {
    kick: () => {
      goodUntilMs = 0;
      loop.kick();
    },
    settled: (signal) => loop.settled(signal),
    close: () => loop.close(),
  };
}

/** Answers what the host is listed as; undefined when it has no address to be reached by. */
async function announce(
  parts: NodeLoopParts,
  before: SiteNode | undefined,
): Promise<SiteNode | undefined> {
  const { links, store, hostName: name, version, bootId, uplinks } = parts;
  const [list, addresses, routes, advertised, known] = await Promise.all([
    links.list(),
    links.addresses(),
    links.routes(),
    parts.advertised(),
    knownVtep(store, name),
  ]);
  const vtep = chooseVtep(
    { links: list, addresses, routes },
    {
      address: parts.vtepAddress,
      advertised,
      family: known === undefined ? undefined : parseAddress(known).family,
    },
  );
  if (vtep === undefined && known !== undefined) {
    throw new FairleadError(
      'VTEP_UNUSABLE',
      `the other hosts send to ${known}, which this one does not have any more, nor another of its family`,
      { fix: 'give it an address again; for one of the other family: --vtep-ip' },
    );
  }
  // a host that nobody can reach has nothing to say
  if (vtep === undefined) return undefined;
  const { address, pathMtu } = vtep;
  const uplinkMtus = list.filter((link) => uplinks.includes(link.name)).map(({ mtu }) => mtu);
  const onWire = uplinkMtus.length === 0 ? {} : { uplinkMtu: Math.min(...uplinkMtus) };
  const facts = { name, vtep: address, pathMtu, ...onWire, bootId, version };
  return runPlan(store, () => planAnnounceNode(facts, before));
}

/** Where the other hosts think that the tunnel of this one ends. */
async function knownVtep(store: StateStore, name: string): Promise<string | undefined> {
  const [row] = (await store.range({ start: nodeKey(name), consistency: 'local' })).rows;
  return row && decodeRecord(nodeSchema, row).value.vtep;
}

/** A group with a network profile on two hosts, and containers without one to speak with; what TCP gets is measured. */
import { bridgeName } from '../../lib/datapath/bridge.ts';
import { apiClient } from '../../lib/cli/api-client.ts';
import type { LabHost } from '../lab/host.ts';
import type { Vantage } from '../lab/traffic/instrument.ts';
import { Capture } from '../lab/traffic/capture.ts';
import { ping, untilReaches } from '../lab/traffic/pings.ts';
import { serveTcp, startTcp } from '../lab/traffic/tcp.ts';
import { containerOf, outsideOf } from '../lab/traffic/vantages.ts';
import type { LabSite } from './lab-site.ts';
import { netctlOk } from './netctl.ts';
import { runContainer } from './shared-networks.ts';
import { SiteAgents } from './site-agents.ts';
import { until } from './until.ts';

/** The containers: in the group `slow` or of the network, on which host, the last number of their addresses. */
const containers = {
  slow1: { host: 1, network: 'slow', number: 1 },
  mate1: { host: 1, network: 'slow', number: 2 },
  slow2: { host: 2, network: 'slow', number: 3 },
  free1: { host: 1, network: 'net', number: 4 },
  free2: { host: 2, network: 'net', number: 5 },
} as const;
/** A container. */
export type Name = keyof typeof containers;
const names = Object.keys(containers) as Name[];

/** A container's address. */
export const addressOf = (name: Name, family: 4 | 6 = 4): string =>
  `${family === 4 ? '10.90.1.' : 'fd90::'}${containers[name].number}`;

/** A meter as the switch has it: kilobits a second, and kilobits. */
export interface Meter {
  readonly rate: number;
  readonly burst: number;
}

/** The meters of limits on a host's bridge, in the order of rates. */
export async function metersOf(host: LabHost): Promise<readonly Meter[]> {
  const { stdout } = await host.ovsOfctl(['dump-meters', bridgeName]);
  return [...stdout.matchAll(/kbps.*\n.*rate=([0-9]+).*burst_size=([0-9]+)/g)]
    .map(([, rate, burst]) => ({ rate: Number(rate), burst: Number(burst) }))
    .toSorted((one, other) => one.rate - other.rate);
}

/** How long a measurement leaves out at the start, in which the burst is used up. */
const settleMs = 3_000;
/**
 * How long it then is. TCP that was slow for a second has the whole burst before it, which is a second of the rate: what
 * a measurement begins and ends with moves it by that, and it is to be much less than the tenth that is asked for.
 */
const measuredMs = 15_000;
const port = 5_001;

/** The site at work. */
export class BandwidthSite {
  readonly agents: SiteAgents;
  readonly #lab: LabSite;
  readonly #at = new Map<Name, Vantage>();

  private constructor(lab: LabSite, agents: SiteAgents) {
    this.#lab = lab;
    this.agents = agents;
  }

  /** Makes it. */
  static async open(lab: LabSite): Promise<BandwidthSite> {
    const site = new BandwidthSite(lab, await SiteAgents.start(lab.hosts, { form: 'binary' }));
    const typed = (words: string) => netctlOk(lab.host(1), words);
    await typed('network create -s 10.90.1.0/24 -g 10.90.1.254 --s6 fd90::/64 --g6 fd90::fe net');
    await site.profile({});
    await typed('group create -n p net slow');
    for (const name of names) {
      const { host, network } = containers[name];
      const options = ['--ip', addressOf(name), '--ip6', addressOf(name, 6)];
      await runContainer(lab.host(host), { name, network, options });
      site.#at.set(name, await containerOf(lab.host(host), name));
    }
    for (const name of names) if (name !== 'slow1') await site.#meet(name);
    return site;
  }

  async #meet(name: Name): Promise<void> {
    await untilReaches(this.at('slow1'), addressOf(name));
    await untilReaches(this.at('slow1'), addressOf(name, 6));
  }

  /** Where a container is. */
  at(name: Name): Vantage {
    const found = this.#at.get(name);
    if (found === undefined) throw new Error(`no container ${name}`);
    return found;
  }

  /** The API of a host. */
  apiOf(host: LabHost): ReturnType<typeof apiClient> {
    return apiClient(host.agentEnvironment()['FAIRLEAD_API_SOCKET'] ?? '');
  }

  /** From now on the group's profile is this. */
  async profile(given: object): Promise<void> {
    // not as Contiv's clients say it: what those cannot know stays as it is
    const path = '/v1/netprofiles/default/p';
    await this.apiOf(this.#lab.host(1)).ask({ method: 'PUT', path, body: { spec: given } });
  }

  /** The meters of limits on a host's bridge, in the order of rates. */
  meters(host: LabHost): Promise<readonly Meter[]> {
    return metersOf(host);
  }

  /** Sets the profile and waits until both hosts have so many meters of these rates. */
  async limit(given: object, rates: Readonly<Record<1 | 2, readonly number[]>>): Promise<void> {
    await this.profile(given);
    for (const host of [1, 2] as const) {
      const wanted = rates[host].join(' ');
      await until(`meters ${wanted} on host ${host}`, async () => {
        const has = await this.meters(this.#lab.host(host));
        return has.map(({ rate }) => rate).join(' ') === wanted;
      });
    }
  }

  /** Megabits a second that arrive by TCP of each of these that speak at once, without their bursts. */
  async had(
    talks: readonly (readonly [from: Name, to: Name])[],
    family: 4 | 6 = 4,
  ): Promise<readonly number[]> {
    return Promise.all(
      talks.map(async ([from, to], index) => {
        const at = port + index;
        const server = await serveTcp(this.at(to), { port: at, mode: 'sink' });
        const plan = { to: addressOf(to, family), port: at, durationMs: settleMs + measuredMs };
        const client = await startTcp(this.at(from), { ...plan, waitMs: 30_000 });
        await client.done(plan.durationMs + 60_000);
        const [flow] = (await server.stop()).connections;
        if (flow === undefined) throw new Error(`${to} was not called`);
        const [first, last] = [settleMs, settleMs + measuredMs].map(
          (ms) => (ms * 1000) / flow.bucketUs,
        );
        const bytes = flow.buckets.slice(first, last).reduce((sum, each) => sum + each, 0);
        return (bytes * 8) / measuredMs / 1000;
      }),
    );
  }

  /** Begins a stream that goes on until it is ended. */
  async stream(from: Name, to: Name, family: 4 | 6): Promise<Stream> {
    const server = await serveTcp(this.at(to), { port, mode: 'sink' });
    const client = await startTcp(this.at(from), { to: addressOf(to, family), port });
    const received = async () => (await server.ask()).connections[0];
    return {
      async rate() {
        await passing(settleMs);
        const first = await received();
        await passing(measuredMs);
        const last = await received();
        if (first === undefined || last === undefined) throw new Error(`${to} was not called`);
        return ((last.received - first.received) * 8) / (last.us - first.us);
      },
      async end() {
        const { flow } = await client.stop();
        await server.stop();
        return flow.error === '' && !flow.damaged;
      },
    };
  }

  /** How much the agent of a host found wrong on its bridge. */
  async repaired(host: LabHost): Promise<number> {
    const facts = (await this.apiOf(host).ask({ method: 'GET', path: '/v1/datapath' })) as {
      readonly flows: { readonly repaired: number };
    };
    return facts.flows.repaired;
  }

  /** Changes meters behind the agent's back; `change` is asked for the first limit's number. */
  async meddle(
    host: LabHost,
    change: (id: string) => readonly (readonly string[])[],
  ): Promise<void> {
    const { stdout } = await host.ovsOfctl(['dump-meters', bridgeName]);
    const [, id = ''] = /meter=([0-9]+) kbps/.exec(stdout) ?? [];
    for (const [verb = '', ...words] of change(id)) {
      const { code, stderr } = await host.ovsOfctl([verb, bridgeName, ...words]);
      if (code !== 0) throw new Error(`ovs-ofctl ${verb} ${words.join(' ')}: ${stderr}`);
    }
  }

  /** The marks of a ping on the cable of its host, in the tunnel and on it, once the inner one is so. */
  async marksOnTheWire(from: Name, to: Name, { family, dscp }: MarkWish) {
    const link = `h${containers[from].host}`;
    return until(`a ping of ${from} with ${dscp} on the cable`, async () => {
      const capture = await Capture.start(outsideOf(this.#lab.lab), link);
      await ping(this.at(from), { to: addressOf(to, family), count: 1 });
      const seen = (await capture.stop()).find(
        ({ says }) => says?.vxlan?.inner?.icmp?.type === echoRequest[family],
      );
      if (seen === undefined) return undefined;
      const [outer, inner] = [markIn(seen.bytes, ethernetBytes), markIn(seen.bytes, innerAt)];
      return inner === dscp ? { outer, inner } : undefined;
    });
  }

  /** The mark of a ping where it arrives, once it is so. */
  async markAt(from: Name, to: Name, { family, dscp }: MarkWish): Promise<number> {
    return until(`a ping of ${from} with ${dscp} at ${to}`, async () => {
      const capture = await Capture.start(this.at(to), 'eth0');
      await ping(this.at(from), { to: addressOf(to, family), count: 1 });
      const seen = (await capture.stop()).find(
        ({ says }) => says?.icmp?.type === echoRequest[family],
      );
      const mark = seen && markIn(seen.bytes, ethernetBytes);
      return mark === dscp ? mark : undefined;
    });
  }
}

/** A stream at work. */
export interface Stream {
  /** Megabits a second that arrive from some seconds on. */
  rate(): Promise<number>;
  /** Ends it; whether it was well until then. */
  end(): Promise<boolean>;
}

interface MarkWish {
  readonly family: 4 | 6;
  readonly dscp: number;
}

const echoRequest = { 4: 8, 6: 128 } as const;
const ethernetBytes = 14;
/** Behind Ethernet, IPv4, UDP, VXLAN and Ethernet. */
const innerAt = ethernetBytes + 20 + 8 + 8 + ethernetBytes;

/** The differentiated services code point of the IP head that begins there. */
function markIn(bytes: Uint8Array, at: number): number {
  const [first = 0, second = 0] = bytes.subarray(at, at + 2);
  return (first >> 4 === 4 ? second : ((first & 0xf) << 4) | (second >> 4)) >> 2;
}

/** Time that is measured. */
const passing = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

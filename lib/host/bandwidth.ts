/**
 * Whether the switch of this host can limit bandwidth, and what it does for each endpoint that has a profile, read
 * back from its flows and meters.
 */
import type { Conditions } from '../conditions.ts';
import { enforcedLimits, type EnforcedWay } from '../datapath/enforced-limits.ts';
import type { OpenFlowConnection } from '../datapath/openflow/connection.ts';
import { tables } from '../datapath/pipeline/fields.ts';
import { FairleadError } from '../errors.ts';
import { profileLimits } from '../network/traffic-profile.ts';
import type { Way } from '../network/world.ts';
import type { DataPlane } from './data-plane.ts';

/** What is asked of the switch one way, kilobits a second and kilobits; what is not asked is left out. */
export interface AskedWay {
  readonly rate?: number;
  readonly burst?: number;
  readonly dscp?: number;
}

/** One way of an endpoint's traffic. */
export interface ShownWay {
  readonly asked: AskedWay;
  /** As the switch has it. */
  readonly has: EnforcedWay;
  readonly isEnforced: boolean;
}

/** What is asked and done for an endpoint of this host. */
export interface EndpointBandwidth {
  readonly endpointId: string;
  /** Key of the network profile. */
  readonly netprofile: string;
  /** Whether all of the group on this host have the limits together. */
  readonly isShared: boolean;
  readonly sends: ShownWay;
  readonly gets: ShownWay;
}

/** What it is made of. */
export interface HostBandwidthParts {
  readonly connection: Pick<OpenFlowConnection, 'ask' | 'flows' | 'meters' | 'onState'>;
  readonly dataPlane: Pick<DataPlane, 'profiled' | 'setLimits' | 'canLimit'>;
  readonly conditions: Conditions;
}

/** Drop bands, and meters in kilobits with bursts (OpenFlow 1.3.5 sections 7.3.5.13 and A.3.4.4). */
const dropBands = 1 << 1;
const needed = (1 << 0) | (1 << 2);

/** Bandwidth on this host. */
export class HostBandwidth {
  readonly #parts: HostBandwidthParts;
  readonly #stop: () => void;

  constructor(parts: HostBandwidthParts) {
    this.#parts = parts;
    this.#stop = parts.connection.onState((state) => {
      if (state === 'ready') void this.#probe().catch(() => undefined);
    });
  }

  /** Raises and clears BANDWIDTH_UNSUPPORTED. */
  show(): void {
    const { dataPlane, conditions } = this.#parts;
    const limited = dataPlane.canLimit ? [] : [...dataPlane.profiled()].filter(hasLimits);
    const [first] = limited;
    conditions.set(
      'BANDWIDTH_UNSUPPORTED',
      first === undefined
        ? undefined
        : `${limited.length} endpoints have a bandwidth that is not limited here (first: ${first.id}, netprofile ${first.profile.key}): the switch has no meters that can`,
    );
  }

  /**
   * Sees to it that what is asked for an endpoint can be done.
   * @throws BANDWIDTH_UNSUPPORTED
   */
  require(endpointId: string): void {
    const { dataPlane } = this.#parts;
    if (dataPlane.canLimit) return;
    for (const endpoint of dataPlane.profiled()) {
      if (endpoint.id !== endpointId || !hasLimits(endpoint)) continue;
      throw new FairleadError(
        'BANDWIDTH_UNSUPPORTED',
        `netprofile ${endpoint.profile.key} limits bandwidth, and the switch of this host has no meters that can`,
      );
    }
  }

  /** What is asked and done for every endpoint of this host that has a profile. @throws OVS_* */
  async read(): Promise<readonly EndpointBandwidth[]> {
    const { connection, dataPlane } = this.#parts;
    const endpoints = [...dataPlane.profiled()];
    if (endpoints.length === 0) return [];
    const [incoming, outgoing, meters, counted] = await Promise.all([
      connection.flows({ table: tables.classify }),
      connection.flows({ table: tables.exit }),
      connection.meters(),
      connection.ask<'meters'>({ part: 'meters' }),
    ]);
    const ports = enforcedLimits({
      flows: [...incoming, ...outgoing].map(({ flow }) => flow),
      meters,
      counters: counted.flatMap(({ entries }) => entries),
    });
    return endpoints.map(({ id, port, profile }) => {
      const has = ports.get(port ?? 0);
      return {
        endpointId: id,
        netprofile: profile.key,
        isShared: profile.sharedBy !== undefined,
        sends: shownWay(profile.out, has?.out),
        gets: shownWay(profile.in, has?.in),
      };
    });
  }

  close(): void {
    this.#stop();
  }

  async #probe(): Promise<void> {
    const [features] = await this.#parts.connection.ask<'meterFeatures'>({ part: 'meterFeatures' });
    if (features === undefined) return;
    const { maxMeters, bandTypes, capabilities } = features;
    const can = maxMeters > 0 && (bandTypes & dropBands) !== 0;
    this.#parts.dataPlane.setLimits(can && (capabilities & needed) === needed);
    this.show();
  }
}

const hasLimits = ({ profile }: { readonly profile: Parameters<typeof profileLimits>[0] }) =>
  profileLimits(profile);

function shownWay(way: Way | undefined, has: EnforcedWay = {}): ShownWay {
  const asked: AskedWay = {
    ...way?.limit,
    ...(way?.dscp === undefined ? {} : { dscp: way.dscp }),
  };
  const isEnforced = (['rate', 'burst', 'dscp'] as const).every(
    (each) => asked[each] === has[each],
  );
  return { asked, has, isEnforced };
}

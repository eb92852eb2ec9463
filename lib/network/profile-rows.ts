/** The rows of network profiles as the view (`site-view.ts`) keeps them: decoded, of all tenants. Decides nothing. */
import { netprofileKind, type NetprofileConfig } from '../model/objects/netprofile.ts';
import { objectRowSchema } from '../model/objects/rows.ts';
import { decodeRecord } from '../model/record.ts';
import type { SeenKey } from '../model/site-keys.ts';
import type { KeyValue } from '../store/port.ts';
import { configIn } from './objects/object-rows.ts';
import { trafficProfile } from './traffic-profile.ts';
import type { GroupRow } from './policy-rows.ts';
import type { TrafficProfile } from './world.ts';

/** Profiles by tenant and name. */
export class ProfileRows {
  readonly #tenants = new Map<string, Map<string, NetprofileConfig>>();

  /**
   * Keeps or forgets the row of a profile.
   * @throws STORE_DAMAGED; nothing has changed then
   */
  apply({ tenant, profile }: ProfileKey, row: KeyValue | undefined): void {
    const config = row && decodeRecord(objectRowSchema(netprofileKind), row).value;
    const profiles = this.#tenants.get(tenant) ?? new Map<string, NetprofileConfig>();
    if (config === undefined) profiles.delete(profile);
    else profiles.set(profile, configIn('netprofile', config));
    if (profiles.size === 0) this.#tenants.delete(tenant);
    else this.#tenants.set(tenant, profiles);
  }

  /**
   * What the profile of a group comes to. Nothing while its row is not known: a container that runs is not
   * stopped for that, and the row is on its way.
   */
  of(tenant: string, { netProfile, number }: GroupRow): TrafficProfile | undefined {
    const config = this.#tenants.get(tenant)?.get(netProfile);
    return config && trafficProfile(config, number);
  }
}

/** The key of a profile. */
export type ProfileKey = Extract<SeenKey, { kind: 'netprofile' }>;

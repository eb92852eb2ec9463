/**
 * Groups as the world knows them: with their policies, and with what settings of group, network and tenant come to.
 * Who is in a network and in no group is in a group of the network's own where that makes a difference.
 */
import { settingsIn } from '../model/objects/policy-settings.ts';
import { bareGroupOf, isPlain, stanceOf } from '../policy/stance.ts';
import type { SiteRows } from './site-rows.ts';
import type { PolicyGroup } from './world.ts';

/** A group, or a network's own: networks and groups of a tenant have their names in common. */
export function policyGroupAt(
  rows: SiteRows,
  { tenant, name }: { readonly tenant: string; readonly name: string },
  domain: number,
): PolicyGroup | undefined {
  const group = rows.policies.group(tenant, name);
  const network = rows.siteNetworks(tenant).get(group?.network ?? name);
  const row = rows.tenant(tenant);
  const stance = stanceOf({
    group: group?.settings,
    network: network && settingsIn(network),
    tenant: row && settingsIn(row),
  });
  const said = isPlain(stance) ? {} : { stance };
  if (group !== undefined) {
    return { number: group.number, domain, policies: group.policies, ...said };
  }
  if (network === undefined || said.stance === undefined) return undefined;
  return { number: bareGroupOf(network.number), domain, policies: [], stance };
}

/** The places of the groups that a network's settings are about: `TENANT/NAME`. */
export function groupPlaces(rows: SiteRows, tenant: string, network: string): readonly string[] {
  return [network, ...rows.policies.groupsOn(tenant, network)].map((name) => `${tenant}/${name}`);
}

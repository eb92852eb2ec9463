/** All kinds of objects, by name. */
import { aciGwKind } from './aci-gw.ts';
import { appProfileKind } from './app-profile.ts';
import { bgpKind } from './bgp.ts';
import { endpointGroupKind } from './endpoint-group.ts';
import { endpointKind } from './endpoint.ts';
import { extContractsGroupKind } from './ext-contracts-group.ts';
import { globalKind } from './global.ts';
import type { ConfigOf, KindName, ObjectKind } from './kind.ts';
import { netprofileKind } from './netprofile.ts';
import { networkKind } from './network.ts';
import { policyKind } from './policy.ts';
import { ruleKind } from './rule.ts';
import { serviceLbKind } from './service-lb.ts';
import { tenantKind } from './tenant.ts';
import { volumeKind, volumeProfileKind } from './volume.ts';

/** The kinds. */
export const objectKinds = {
  tenant: tenantKind,
  network: networkKind,
  endpointGroup: endpointGroupKind,
  policy: policyKind,
  rule: ruleKind,
  netprofile: netprofileKind,
  appProfile: appProfileKind,
  extContractsGroup: extContractsGroupKind,
  serviceLB: serviceLbKind,
  global: globalKind,
  aciGw: aciGwKind,
  Bgp: bgpKind,
  endpoint: endpointKind,
  volume: volumeKind,
  volumeProfile: volumeProfileKind,
} as const satisfies { readonly [Name in KindName]: ObjectKind & { readonly name: Name } };

/** The kinds that can be made. */
export type MadeKindName = Exclude<KindName, 'endpoint' | 'volume' | 'volumeProfile'>;

/** The configuration of a kind by its name. */
export type ConfigOfKind<Name extends MadeKindName> = ConfigOf<(typeof objectKinds)[Name]>;

/** The description of a kind, as one type for all. */
export const describedKind = (name: KindName): ObjectKind => objectKinds[name];

/** All descriptions. */
export const allKinds: readonly ObjectKind[] = Object.values(objectKinds);

/** The kind with this plural. */
export const kindOfPlural = (plural: string): ObjectKind | undefined =>
  allKinds.find((kind) => kind.plural === plural);

/** Whether objects of the kind can be made. */
export const isMadeKind = (name: KindName): name is MadeKindName =>
  objectKinds[name].access === 'all';

/** A model drawn from chance: what several operators have made by some evening. */
import type { Random } from '../../sim/random.ts';

/** An object as REST is asked for it. */
export interface DrawnObject {
  /** In paths. */
  readonly plural: string;
  readonly key: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A model. */
export interface DrawnModel {
  /** In an order in which they can be made. */
  readonly objects: readonly DrawnObject[];
  /** Names of its Docker networks. */
  readonly dockerNames: readonly string[];
}

const object = (
  plural: string,
  named: readonly (readonly [field: string, value: string])[],
  more: Readonly<Record<string, unknown>> = {},
): DrawnObject => ({
  plural,
  key: named.map(([, value]) => value).join(':'),
  body: { ...Object.fromEntries(named), ...more },
});

/** One to three tenants whose subnets are the same, with networks, groups and what groups have. */
export function drawModel(random: Random): DrawnModel {
  const tenants = ['default', 'blue', 'red'].slice(0, 1 + random.below(3));
  const objects: DrawnObject[] = [];
  const dockerNames: string[] = [];
  for (const tenantName of tenants) {
    const dockerName = (name: string): void => {
      dockerNames.push(tenantName === 'default' ? name : `${name}/${tenantName}`);
    };
    const tenant = ['tenantName', tenantName] as const;
    if (tenantName !== 'default') objects.push(object('tenants', [tenant]));
    objects.push(object('policys', [tenant, ['policyName', 'p']]));
    const rule = [tenant, ['policyName', 'p'], ['ruleId', '1']] as const;
    objects.push(object('rules', rule, { direction: 'in', action: 'deny', protocol: 'tcp' }));
    const networks = ['web', 'db'].slice(0, 1 + random.below(2));
    for (const [n, networkName] of networks.entries()) {
      const encap = random.chance(0.3) ? 'vlan' : 'vxlan';
      const subnet = `10.${n + 1}.0.0/24`;
      const gateway = random.chance(0.7) ? { gateway: `10.${n + 1}.0.254` } : {};
      // most have no Docker network, engines are slower than the model; hosts are in those themselves
      const nwType = random.chance(0.75) ? 'infra' : 'data';
      const config = { encap, subnet, ...gateway, nwType };
      objects.push(object('networks', [tenant, ['networkName', networkName]], config));
      if (nwType === 'data') dockerName(networkName);
      for (const [m, suffix] of ['a', 'b'].slice(0, random.below(3)).entries()) {
        const groupName = `${networkName}-${suffix}`;
        const from = `10.${n + 1}.0.${100 + 10 * m}`;
        // of an infra network the hosts may have taken any address by then
        const ipPool =
          random.chance(0.5) && nwType === 'data'
            ? { ipPool: `${from}-${from.slice(0, -1)}9` }
            : {};
        const policies = random.chance(0.5) ? { policies: ['p'] } : {};
        const group = { networkName, ...ipPool, ...policies };
        objects.push(object('endpointGroups', [tenant, ['groupName', groupName]], group));
        if (nwType === 'data') dockerName(groupName);
      }
    }
  }
  return { objects, dockerNames };
}

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

/**
 * One to three tenants whose subnets are the same, with networks, groups and what groups have. `dataShare` of the
 * networks have Docker networks; hosts are in the others themselves.
 */
export function drawModel(random: Random, dataShare: number): DrawnModel {
  const tenants = ['default', 'blue', 'red'].slice(0, 1 + random.below(3));
  const drawn = tenants.map((tenant) => new DrawnTenant(tenant, random, dataShare));
  return {
    objects: drawn.flatMap(({ objects }) => objects),
    dockerNames: drawn.flatMap(({ dockerNames }) => dockerNames),
  };
}

/** A tenant with all that is in it. */
class DrawnTenant {
  readonly objects: DrawnObject[] = [];
  readonly dockerNames: string[] = [];
  readonly #tenantName: string;
  readonly #random: Random;
  readonly #groups: string[] = [];
  readonly #profiles: readonly string[];
  readonly #contracts: readonly string[];

  constructor(tenantName: string, random: Random, dataShare: number) {
    this.#tenantName = tenantName;
    this.#random = random;
    if (tenantName !== 'default') this.#add('tenants', []);
    this.#policies();
    this.#profiles = ['slow', 'marked'].slice(0, random.below(3));
    for (const [at, profileName] of this.#profiles.entries()) {
      const what = at === 0 ? { bandwidth: '20mbps', burst: 100 } : { DSCP: 10 };
      this.#add('netprofiles', [['profileName', profileName]], what);
    }
    this.#contracts = ['provided', 'consumed'].slice(0, random.below(3));
    for (const contractsType of this.#contracts) {
      const what = { contractsType, contracts: ['one', 'two'] };
      this.#add('extContractsGroups', [['contractsGroupName', contractsType]], what);
    }
    for (const n of [1, 2].slice(0, 1 + random.below(2)))
      this.#network(n, random.chance(dataShare));
    if (this.#groups.length > 0 && random.chance(0.5)) {
      const endpointGroups = this.#groups.filter(() => random.chance(0.7));
      this.#add('appProfiles', [['appProfileName', 'shop']], { endpointGroups });
    }
  }

  #policies(): void {
    this.#add('policys', [['policyName', 'p']]);
    const rule = { direction: 'in', action: 'deny', protocol: 'tcp', port: 25 };
    this.#add(
      'rules',
      [
        ['policyName', 'p'],
        ['ruleId', '1'],
      ],
      rule,
    );
  }

  #network(n: number, isData: boolean): void {
    const networkName = n === 1 ? 'web' : 'db';
    const random = this.#random;
    const encap = random.chance(0.3) ? 'vlan' : 'vxlan';
    const gateway = random.chance(0.7) ? { gateway: `10.${n}.0.254` } : {};
    const nwType = isData ? 'data' : 'infra';
    const config = {
      encap,
      subnet: `10.${n}.0.0/24`,
      ...gateway,
      nwType,
      ...this.#tag(networkName),
    };
    this.#add('networks', [['networkName', networkName]], config);
    if (isData) this.#docker(networkName);
    for (const [m, suffix] of ['a', 'b'].slice(0, random.below(3)).entries()) {
      const groupName = `${networkName}-${suffix}`;
      // of an infra network the hosts may have taken any address by then
      const from = `10.${n}.0.${100 + 10 * m}`;
      const hasPool = random.chance(0.5) && isData;
      this.#add('endpointGroups', [['groupName', groupName]], {
        networkName,
        ...(hasPool ? { ipPool: `${from}-${from.slice(0, -1)}9` } : {}),
        ...(random.chance(0.5) ? { policies: ['p'] } : {}),
        ...(random.chance(0.5) ? { netProfile: this.#profiles[random.below(2)] ?? '' } : {}),
        ...(random.chance(0.5) ? { extContractsGrps: this.#contracts } : {}),
        ...this.#tag(groupName),
      });
      this.#groups.push(groupName);
      if (isData) this.#docker(groupName);
    }
    for (const serviceName of [`${networkName}-s`, `${networkName}-t`].slice(0, random.below(3))) {
      const given = random.chance(0.3) && isData && serviceName.endsWith('s');
      this.#add('serviceLBs', [['serviceName', serviceName]], {
        networkName,
        selectors: random.chance(0.7) ? ['app=web'] : ['app=web', 'tier=front'],
        ports: random.chance(0.5) ? ['80:8080:TCP'] : ['80:8080:TCP', '53:53:UDP'],
        ...(given ? { ipAddress: `10.${n}.0.200` } : {}),
      });
    }
  }

  /** A tag of its own now and then: it is one's in the whole site. */
  #tag(name: string): { readonly cfgdTag?: string } {
    return this.#random.chance(0.3) ? { cfgdTag: `tag-${this.#tenantName}-${name}` } : {};
  }

  #docker(name: string): void {
    this.dockerNames.push(this.#tenantName === 'default' ? name : `${name}/${this.#tenantName}`);
  }

  #add(
    plural: string,
    named: readonly (readonly [field: string, value: string])[],
    more: Readonly<Record<string, unknown>> = {},
  ): void {
    this.objects.push(object(plural, [['tenantName', this.#tenantName], ...named], more));
  }
}

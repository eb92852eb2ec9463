/**
 * The options by which Docker's calls name a shared network and say what it should be like: `-o key=value`
 * for the network, `--ipam-opt key=value` for its pools. Without `network` among them a network is its
 * host's own.
 */
import { FairleadError } from '../errors.ts';
import { quote } from '../ip/ip.ts';
import { siteNameCharactersMax, vlanTagMax, vniMax } from '../limits.ts';
import {
  defaultTenant,
  isSiteName,
  type SiteNetwork,
  type SiteNetworkName,
} from '../model/site.ts';

type Options = Readonly<Record<string, string>>;

/** Names the shared network. */
export const networkOption = 'network';
/** Names the tenant, other than the default. */
export const tenantOption = 'tenant';
/** Names the group whose members the containers are. */
export const groupOption = 'group';
/** What the agent says for those that it keeps because the model has them. */
export const followsOption = 'follows';
const model = 'model';
/** Also one of networks that are not shared. */
export const outsideOption = 'outside';

/** What was asked of a shared network; undefined is "whatever there is, or the default". */
export interface AskedNetwork {
  readonly name: SiteNetworkName;
  readonly group: string | undefined;
  /** Asked for by an agent that follows the model. */
  readonly follows: boolean;
  readonly encap: 'vxlan' | 'vlan' | undefined;
  readonly tag: number | 'native' | undefined;
  readonly mode: SiteNetwork['mode'] | undefined;
  readonly arp: SiteNetwork['arp'] | undefined;
  readonly outside: boolean | undefined;
}

/** Options of `docker network create -o` that are about shared networks. */
export const siteOptions = [
  networkOption,
  tenantOption,
  groupOption,
  followsOption,
  'encap',
  'pkt-tag',
  'mode',
  'arp',
  outsideOption,
] as const;

/**
 * The shared network that options name, undefined when they name none.
 * @throws REQUEST_INVALID for a name or tenant that cannot be one, OPTION_MISSING for a tenant alone
 */
export function namedNetwork(options: Options): SiteNetworkName | undefined {
  const network = options[networkOption];
  const tenant = options[tenantOption];
  if (network === undefined) {
    if (tenant === undefined) return undefined;
    throw new FairleadError(
      'OPTION_MISSING',
      `option ${tenantOption} needs ${networkOption}, too`,
      {
        fix: `give -o ${networkOption}=NAME and --ipam-opt ${networkOption}=NAME, both with the tenant`,
      },
    );
  }
  return {
    tenant: checkName(tenantOption, tenant ?? defaultTenant),
    network: checkName(networkOption, network),
  };
}

/** A place in the model, as the options of a pool or network name it. */
export interface NamedPlace {
  readonly name: SiteNetworkName;
  readonly group: string | undefined;
  readonly follows: boolean;
}

/**
 * The place that options name, undefined when they name none. Containers of a group get addresses from its own part
 * of the network, if it has one.
 * @throws REQUEST_INVALID, OPTION_MISSING
 */
export function namedPlace(options: Options): NamedPlace | undefined {
  const name = namedNetwork(options);
  const group = options[groupOption];
  if (name === undefined) {
    if (group === undefined) return undefined;
    throw new FairleadError('OPTION_MISSING', `option ${groupOption} needs ${networkOption}, too`, {
      fix: `give -o ${networkOption}=NAME and --ipam-opt ${networkOption}=NAME, the network of the group`,
    });
  }
  return {
    name,
    group: group === undefined ? undefined : checkName(groupOption, group),
    follows: oneOf(options, followsOption, [model]) === model,
  };
}

/**
 * What the options of a network ask for, undefined when they name no shared network.
 * @throws REQUEST_INVALID, OPTION_MISSING
 */
export function askedNetwork(options: Options): AskedNetwork | undefined {
  const place = namedPlace(options);
  if (place === undefined) return undefined;
  const encap = oneOf(options, 'encap', ['vxlan', 'vlan']);
  return {
    ...place,
    encap,
    tag: askedTag(options['pkt-tag'], encap),
    mode: oneOf(options, 'mode', ['bridge', 'routing']),
    arp: oneOf(options, 'arp', ['proxy', 'flood']),
    outside: askedOutside(options),
  };
}

/**
 * Whether options ask for a way out by the host's address, undefined when they say nothing.
 * @throws REQUEST_INVALID
 */
export function askedOutside(options: Options): boolean | undefined {
  const word = oneOf(options, outsideOption, ['true', 'false']);
  return word === undefined ? undefined : word === 'true';
}

/** Refuses with REQUEST_INVALID what contradicts itself. */
export function requireOutsideAllowed(internal: boolean, outside: boolean | undefined): void {
  if (!internal || outside !== true) return;
  throw new FairleadError(
    'REQUEST_INVALID',
    `an internal network has no way out: --internal and -o ${outsideOption}=true`,
    { fix: 'leave one of them out' },
  );
}

function checkName(option: string, text: string): string {
  if (isSiteName(text)) return text;
  throw new FairleadError(
    'REQUEST_INVALID',
    `option ${option}=${quote(text)} is no name: expected letters, digits, hyphens and dots, at most ${siteNameCharactersMax}`,
  );
}

function oneOf<Word extends string>(
  options: Options,
  option: string,
  words: readonly Word[],
): Word | undefined {
  const text = options[option];
  if (text === undefined) return undefined;
  const word = words.find((one) => one === text);
  if (word !== undefined) return word;
  throw new FairleadError(
    'REQUEST_INVALID',
    `option ${option}=${quote(text)} is not known, expected ${words.join(' or ')}`,
  );
}

function askedTag(
  text: string | undefined,
  encap: AskedNetwork['encap'],
): number | 'native' | undefined {
  if (text === undefined) return undefined;
  if (text === 'native') {
    if (encap !== 'vxlan') return text;
    throw new FairleadError('REQUEST_INVALID', 'option pkt-tag=native is for encap=vlan');
  }
  const most = encap === 'vlan' ? vlanTagMax : vniMax;
  if (/^[1-9][0-9]{0,7}$/.test(text) && Number(text) <= most) return Number(text);
  throw new FairleadError(
    'REQUEST_INVALID',
    `option pkt-tag=${quote(text)} is not a number from 1 to ${most}${encap === 'vxlan' ? '' : ', nor native'}`,
  );
}

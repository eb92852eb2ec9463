/** Options that name something of the model by its tag: what network, tenant and group they mean. Pure. */
import { FairleadError } from '../errors.ts';
import { quote } from '../ip/ip.ts';
import { objectTagCharactersMax } from '../limits.ts';
import { contivTagKey, objectKey } from '../model/objects/object-keys.ts';
import { endpointGroupKind } from '../model/objects/endpoint-group.ts';
import { objectRowSchema, tagOwnerSchema } from '../model/objects/rows.ts';
import { decodeRecord } from '../model/record.ts';
import { siteNetworkKey } from '../model/site-keys.ts';
import { isSiteName } from '../model/site.ts';
import type { Step } from '../store/plan.ts';
import { groupOption, networkOption, tenantOption } from './site-options.ts';

/** Names a network or group by the tag that the model has for it. */
export const contivTagOption = 'contiv-tag';

type Options = Readonly<Record<string, string>>;

/** Whether options name something of the model. */
export const namesModel = (options: Options): boolean =>
  [networkOption, groupOption, contivTagOption].some((option) => options[option] !== undefined);

/**
 * Options with network, tenant and group in the place of a tag.
 * @throws REQUEST_INVALID, REFERENCE_UNKNOWN
 */
export function* namedByModel(options: Options): Step<Options> {
  const { [contivTagOption]: tag, ...rest } = options;
  return tag === undefined ? rest : { ...rest, ...(yield* namedByTag(tag, rest)) };
}

function* namedByTag(tag: string, options: Options): Step<Options> {
  for (const option of [networkOption, groupOption]) {
    if (options[option] === undefined) continue;
    throw new FairleadError(
      'REQUEST_INVALID',
      `option ${contivTagOption} says which network it is, and so does ${option}`,
      { fix: `leave ${option} out` },
    );
  }
  const owner = tag.length > objectTagCharactersMax ? undefined : yield* ownerOf(tag);
  const tenant = options[tenantOption];
  if (owner === undefined || (tenant !== undefined && tenant !== owner[tenantOption])) {
    const where = tenant === undefined ? '' : ` of tenant ${quote(tenant)}`;
    throw unknown(`no group or network${where} has tag ${quote(tag)}`);
  }
  return owner;
}

/** As Contiv: first the tags of groups, then those of networks. Without a tag of its own it is NAME.TENANT. */
function* ownerOf(tag: string): Step<Options | undefined> {
  if (!/^[A-Za-z0-9.-]+$/.test(tag)) return undefined;
  const [row] = (yield { start: contivTagKey(tag) }).rows;
  if (row !== undefined) {
    const { kind, tenant, name } = decodeRecord(tagOwnerSchema, row).value;
    if (kind === 'endpointGroup') return yield* asGroup(tenant, name);
    return { [tenantOption]: tenant, [networkOption]: name };
  }
  const labels = tag.split('.');
  const splits = labels
    .slice(1)
    .map((_, n) => ({
      name: labels.slice(0, n + 1).join('.'),
      tenant: labels.slice(n + 1).join('.'),
    }))
    .filter(({ name, tenant }) => isSiteName(name) && isSiteName(tenant));
  for (const { name, tenant } of splits) {
    const group = yield* asGroup(tenant, name);
    if (group !== undefined) return group;
  }
  for (const { name, tenant } of splits) {
    if ((yield { start: siteNetworkKey({ tenant, network: name }) }).rows.length > 0) {
      return { [tenantOption]: tenant, [networkOption]: name };
    }
  }
  return undefined;
}

function* asGroup(tenant: string, group: string): Step<Options | undefined> {
  const network = yield* networkOfGroup(tenant, group);
  if (network === undefined) return undefined;
  return { [tenantOption]: tenant, [networkOption]: network, [groupOption]: group };
}

/** The network of a group, undefined without such a group. */
export function* networkOfGroup(tenant: string, group: string): Step<string | undefined> {
  const [row] = (yield { start: objectKey({ kind: 'endpointGroup', parts: [tenant, group] }) })
    .rows;
  if (row === undefined) return undefined;
  const { config } = decodeRecord(objectRowSchema(endpointGroupKind), row).value;
  return String(config['networkName']);
}

const unknown = (message: string): FairleadError => new FairleadError('REFERENCE_UNKNOWN', message);

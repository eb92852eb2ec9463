/** `fairlead endpoint ls`: the containers on the networks of a tenant, as inspecting each network shows them. */
import { asFairleadError } from '../../errors.ts';
import { objectKinds } from '../../model/objects/kinds.ts';
import type { ApiClient } from '../api-client.ts';
import type { ShownObject } from './forms.ts';

const networks = `/api/v1/${objectKinds.network.plural}/`;

/** All endpoints, by network; without a tenant those of all tenants. */
export async function listedEndpoints(
  client: ApiClient,
  tenant: string | undefined,
): Promise<readonly ShownObject[]> {
  const all = (await client.ask({ method: 'GET', path: networks })) as readonly ShownObject[];
  const meant = all.filter(({ tenantName }) => tenant === undefined || tenantName === tenant);
  const found: ShownObject[] = [];
  for (const { key } of meant) found.push(...(await endpointsOf(client, String(key))));
  return found;
}

async function endpointsOf(client: ApiClient, key: string): Promise<readonly ShownObject[]> {
  const named = key.split(':').map(encodeURIComponent).join(':');
  const path = `/api/v1/inspect/${objectKinds.network.plural}/${named}/`;
  try {
    const { Oper } = (await client.ask({ method: 'GET', path })) as {
      readonly Oper?: { readonly endpoints?: readonly ShownObject[] };
    };
    return (Oper?.endpoints ?? []).map((one) => ({ key: one['endpointID'], ...one }));
  } catch (thrown) {
    // it has gone since the list was made
    if (asFairleadError(thrown).code === 'OBJECT_UNKNOWN') return [];
    throw thrown;
  }
}

/** All rows of a cluster's store, as a member has them, for those who check what always holds of them. */
import { readSnapshot } from '../../lib/store/replicated/snapshot-file.ts';
import { httpOverSocket } from '../compat/fresh-agent.ts';
import type { LabHost } from '../lab/host.ts';
import { MapStore } from './map-store.ts';

/** Where the API of a host's agent listens. */
export function apiSocketOf(host: LabHost): string {
  const socket = host.agentEnvironment()['FAIRLEAD_API_SOCKET'];
  if (socket === undefined) throw new Error('the lab names no API socket');
  return socket;
}

/** The rows that the member on a host has at this moment. */
export async function storeRows(host: LabHost): Promise<MapStore> {
  const asked = { method: 'GET', path: '/v1/cluster/snapshot' } as const;
  const { status, body } = await httpOverSocket(apiSocketOf(host), asked);
  if (status !== 200) throw new Error(`snapshot of ${host.name}: ${status} ${body}`);
  const lines = body.split('\n').filter(Boolean);
  const { image } = await readSnapshot(
    (async function* () {
      yield* lines;
    })(),
  );
  const store = new MapStore();
  store.revision = image.head.revision;
  for (const [space, row] of image.rows) if (space === 'users') store.rows.set(row.key, row);
  return store;
}

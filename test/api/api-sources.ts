/** What the whole API of a host is made of, with nothing wrong and nothing there. For tests of faces. */
import type { ApiSources } from '../../lib/api/app.ts';
import { systemClock } from '../../lib/clock.ts';
import { openLogs } from '../../lib/runtime/logs.ts';
import { contivSources } from './contiv/contiv-site.ts';

/** The sources, those of the model on a store of their own. */
export const apiSources = (): ApiSources => ({
  version: '1.2.3',
  node: 'edge-1',
  gates: () => [{ name: 'store', ready: true, message: 'open' }],
  conditions: () => [],
  datapath: async () => ({
    flows: { wanted: 7, changed: 6, repaired: 5, comparisons: 4 },
    ports: { repaired: 3 },
    names: { answered: 0, letGo: 0 },
  }),
  networks: async () => [],
  endpoints: async () => [],
  pools: async () => [],
  cluster: async () => undefined,
  nodes: async () => ({ list: async () => [], remove: async () => undefined }),
  checkAddresses: async () => ({
    host: 'edge-1',
    networks: 0,
    addresses: 0,
    endpoints: 0,
    differences: [],
    unseen: [],
  }),
  logs: openLogs(
    { hostName: 'edge-1', logLevel: 'info', logFormat: 'json' },
    { clock: systemClock, onTrouble: () => undefined },
  ),
  contiv: contivSources(),
});

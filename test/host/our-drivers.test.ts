/** Under which names an engine has us. */
import { expect, test } from 'vitest';
import { pluginEntrypoint } from '../../lib/bundle/plugin-config.ts';
import { ourDrivers, servesSwarm } from '../../lib/host/our-drivers.ts';

const signal = AbortSignal.timeout(30_000);

test('the socket’s name with or without a tag, and plugins of ours under any name', async () => {
  const plugins = async () => [
    { name: 'site/net:1', entrypoint: pluginEntrypoint, enabled: true, environment: [] },
    { name: 'other/net:1', entrypoint: ['/bin/other'], enabled: true, environment: [] },
  ];
  const isOurs = await ourDrivers({ plugins }, 'fairlead', signal);
  const drivers = ['fairlead', 'fairlead:1', 'site/net:1', 'site/net', 'other/net:1', 'fairlead2'];
  expect(drivers.filter(isOurs)).toEqual(['fairlead', 'fairlead:1', 'site/net:1']);
});

test('a swarm is served by a plugin of ours that is enabled, and not set for one engine each', () => {
  const plugin = { name: 'site/net:1', entrypoint: pluginEntrypoint, enabled: true };
  const scope = (value: string) => [`FAIRLEAD_PLUGIN_SCOPE=${value}`];
  expect(servesSwarm([{ ...plugin, environment: scope('global') }])).toBe(true);
  expect(servesSwarm([{ ...plugin, environment: scope('local') }])).toBe(false);
  expect(servesSwarm([{ ...plugin, enabled: false, environment: scope('global') }])).toBe(false);
  const other = { ...plugin, entrypoint: ['/bin/other'] };
  expect(servesSwarm([{ ...other, environment: scope('global') }])).toBe(false);
});

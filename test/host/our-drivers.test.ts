/** Under which names an engine has us. */
import { expect, test } from 'vitest';
import { pluginEntrypoint } from '../../lib/bundle/plugin-config.ts';
import { ourDrivers } from '../../lib/host/our-drivers.ts';

const signal = AbortSignal.timeout(30_000);

test('the socket’s name with or without a tag, and plugins of ours under any name', async () => {
  const plugins = async () => [
    { name: 'site/net:1', entrypoint: pluginEntrypoint },
    { name: 'other/net:1', entrypoint: ['/bin/other'] },
  ];
  const isOurs = await ourDrivers({ plugins }, 'fairlead', signal);
  const drivers = ['fairlead', 'fairlead:1', 'site/net:1', 'site/net', 'other/net:1', 'fairlead2'];
  expect(drivers.filter(isOurs)).toEqual(['fairlead', 'fairlead:1', 'site/net:1']);
});

/** Whether the socket is where the engine looks, by the mounts of real plugins. */
import { expect, test } from 'vitest';
import { requirePluginPlace } from '../../lib/plugin/place.ts';

const id = 'ab'.repeat(32);
const root = '601 580 0:52 / / rw,relatime - overlay overlay rw';
const given = `610 601 0:25 /docker/plugins/${id} /run/docker/plugins rw,nosuid - tmpfs tmpfs rw`;
const agent = '611 601 8:1 /var/lib/fairlead/managed /run/fairlead rw - ext4 /dev/sda1 rw';
const lines = (...each: string[]): string => `${each.join('\n')}\n`;

test('a plugin has the folder of its engine', () => {
  expect(() => requirePluginPlace(lines(root, given, agent))).not.toThrow();
  expect(() => requirePluginPlace(lines(root, agent, given))).not.toThrow();
});

test('what is run elsewhere is told so', () => {
  expect(() => requirePluginPlace(lines(root, agent))).toThrow(/not a folder that the engine gave/);
  expect(() => requirePluginPlace('')).toThrow(/not a folder that the engine gave/);
  const host = '610 601 0:25 /docker/plugins /run/docker/plugins rw - tmpfs tmpfs rw';
  expect(() => requirePluginPlace(lines(root, host))).toThrow(/not a folder that the engine gave/);
});

test.each(['/run', '/run/docker', '/run/docker/plugins'])('a mount at %s covers it', (at) => {
  const cover = `620 601 0:99 / ${at} rw - tmpfs tmpfs rw`;
  expect(() => requirePluginPlace(lines(root, given, cover))).toThrow(`a mount at ${at} covers`);
  // what was there before is not in the way
  if (at !== '/run/docker/plugins') {
    expect(() => requirePluginPlace(lines(root, cover, given))).not.toThrow();
  }
});

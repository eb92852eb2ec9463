/**
 * Where a managed plugin runs: the engine gives it a folder for its socket, `/run/docker/plugins/ID` of the host at
 * /run/docker/plugins inside. A socket anywhere else is never found, and the engine says no more than that it is not
 * there; this names why.
 */
import { FairleadError } from '../errors.ts';

/** Where the socket has to be. */
const folder = '/run/docker/plugins';

/**
 * Checks that the engine's folder is there and not covered.
 * @param mountInfo text of /proc/self/mountinfo (proc(5)): mount id, parent, device, root, mount point, …
 * @throws PLUGIN_PLACE
 */
export function requirePluginPlace(mountInfo: string): void {
  const mounts = mountInfo
    .split('\n')
    .map((line) => line.split(' '))
    .map(([, , , root = '', at = '']) => ({ root, at }))
    .filter(({ at }) => at !== '');
  const engines = mounts.findIndex(
    ({ root, at }) => at === folder && /\/plugins\/[0-9a-f]{64}$/.test(root),
  );
  if (engines === -1) {
    throw new FairleadError(
      'PLUGIN_PLACE',
      `${folder} is not a folder that the engine gave to a plugin: a socket in it would not be found`,
    );
  }
  // what is mounted later covers what was there
  const cover = mounts.slice(engines + 1).find(({ at }) => `${folder}/`.startsWith(`${at}/`));
  if (cover === undefined) return;
  throw new FairleadError(
    'PLUGIN_PLACE',
    `a mount at ${cover.at} covers ${folder}, where the engine looks for the socket`,
    { fix: 'take that mount out of config.json; single folders at places of their own do' },
  );
}

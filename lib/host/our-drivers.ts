/**
 * Under which names the engine has us: that of the plugin socket, and those of managed plugins that are ours, which
 * operators name as they like. They are known by what they are started by.
 */
import { pluginEntrypoint } from '../bundle/plugin-config.ts';
import type { DockerClient } from '../docker/client.ts';

/** Whether a driver is ours. */
export type IsOurs = (driver: string) => boolean;

/**
 * Asks the engine.
 * @throws DOCKER_DOWN, DOCKER_PROTOCOL
 */
export async function ourDrivers(
  docker: Pick<DockerClient, 'plugins'>,
  pluginName: string,
  signal: AbortSignal,
): Promise<IsOurs> {
  const plugins = await docker.plugins(signal);
  const managed = new Set(
    plugins
      .filter(({ entrypoint }) => entrypoint.join(' ') === pluginEntrypoint.join(' '))
      .map(({ name }) => name),
  );
  return (driver) => isOurDriver(driver, pluginName) || managed.has(driver);
}

/** Whether a driver has the name of the plugin socket; a managed plugin's has a tag. */
export function isOurDriver(driver: string, pluginName: string): boolean {
  return driver === pluginName || driver.startsWith(`${pluginName}:`);
}

/**
 * Under which names the engine has us: that of the plugin socket, and those of managed plugins that are ours, which
 * operators name as they like. They are known by what they are started by.
 */
import { pluginEntrypoint, pluginScopeVariable } from '../bundle/plugin-config.ts';
import type { DockerClient, DockerPlugin } from '../docker/client.ts';

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
  const managed = new Set(plugins.filter(isOurPlugin).map(({ name }) => name));
  return (driver) => isOurDriver(driver, pluginName) || managed.has(driver);
}

const isOurPlugin = ({ entrypoint }: DockerPlugin): boolean =>
  entrypoint.join(' ') === pluginEntrypoint.join(' ');

/** Whether a managed plugin of ours serves an engine's swarm: one that is enabled, and not set for networks of each engine. */
export const servesSwarm = (plugins: readonly DockerPlugin[]): boolean =>
  plugins.some(
    (plugin) =>
      isOurPlugin(plugin) &&
      plugin.enabled &&
      !plugin.environment.includes(`${pluginScopeVariable}=local`),
  );

/** Whether a driver has the name of the plugin socket; a managed plugin's has a tag. */
export function isOurDriver(driver: string, pluginName: string): boolean {
  return driver === pluginName || driver.startsWith(`${pluginName}:`);
}

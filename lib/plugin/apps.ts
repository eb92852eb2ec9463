/** The sockets that Docker's calls come by, each with what its engine takes our networks for. */
import type { Host } from '../host/host.ts';
import { createPluginApp, type PluginAppParts } from './app.ts';
import type { PluginScope } from './bare-answers.ts';
import { createDriver } from './driver.ts';
import { scopeHeader } from './shim.ts';

/** Answers a request. */
type Fetch = (request: Request) => Response | Promise<Response>;

/** One for each scope, and one for shims, each of which says its own. */
export function pluginApps(
  host: Promise<Host>,
  parts: Omit<PluginAppParts, 'handlers'>,
): Readonly<Record<PluginScope | 'ofShims', Fetch>> {
  const app = (scope: PluginScope): Fetch =>
    createPluginApp({ ...parts, handlers: createDriver(host, scope) }).fetch;
  const [local, global] = [app('local'), app('global')];
  const isGlobal = ({ headers }: Request): boolean => headers.get(scopeHeader) === 'global';
  return { local, global, ofShims: (request) => (isGlobal(request) ? global : local)(request) };
}

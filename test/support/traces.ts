/** What the agent leaves on a host: ports, links, records. */
import { hostPortName } from '../../lib/datapath/outside/block.ts';
import type { LabHost } from '../lab/host.ts';
import { apiGet } from './agent-process.ts';

/** Ports of the bridge, without its own and the host's. */
export async function portNames(host: LabHost): Promise<readonly string[]> {
  const { code, stdout, stderr } = await host.ovsVsctl(['list-ports', 'br-fairlead']);
  if (code !== 0) throw new Error(`ovs-vsctl: ${stderr}`);
  return lines(stdout).filter((name) => name !== hostPortName);
}

/** Links on the host that carry our mark, without the host's own. */
export async function linkNames(host: LabHost): Promise<readonly string[]> {
  const { stdout } = await host.exec(['ip', '-o', 'link']);
  return lines(stdout)
    .filter((line) => line.includes('alias fairlead:'))
    .map((line) => /^[0-9]+: ([^:@]+)/.exec(line)?.[1] ?? line)
    .filter((name) => name !== hostPortName);
}

/** Endpoint ids that the agent knows. */
export async function endpointIds(host: LabHost): Promise<readonly string[]> {
  const { body } = await apiGet(host, '/v1/host/endpoints');
  return (body['endpoints'] as { id: string }[]).map(({ id }) => id);
}

/** Everything of ours beside the bridge; empty on a host without containers and networks of ours. */
export async function leftovers(host: LabHost): Promise<readonly string[]> {
  const networks = (await apiGet(host, '/v1/host/networks')).body['networks'] as { id: string }[];
  return [
    ...(await portNames(host)).map((name) => `port ${name}`),
    ...(await linkNames(host)).map((name) => `link ${name}`),
    ...(await endpointIds(host)).map((id) => `endpoint ${id}`),
    ...networks.map(({ id }) => `network ${id}`),
  ];
}

function lines(text: string): readonly string[] {
  return text.split('\n').filter((line) => line !== '');
}

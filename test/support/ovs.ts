/** Open vSwitch's command line as tests use it. */
import type { LabHost } from '../lab/host.ts';

/** Runs ovs-vsctl on a host with the words of a line; throws what it said when it failed. */
export async function vsctlOk(host: LabHost, line: string): Promise<string> {
  const { code, stdout, stderr } = await host.ovsVsctl(line.split(' '));
  if (code !== 0) throw new Error(`ovs-vsctl ${line} on ${host.name}: ${stderr.trim()}`);
  return stdout.trim();
}

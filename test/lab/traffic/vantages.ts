/** Places of a lab to send and watch from that are not objects of their own. */
import type { LabHost } from '../host.ts';
import type { Lab } from '../lab.ts';
import { namespacePath } from '../namespaces.ts';
import { labNames } from '../place.ts';
import { markVariable } from '../processes.ts';
import type { Site } from '../site/site.ts';
import type { Vantage } from './instrument.ts';

/** A running container of a host, by its name or id. */
export async function containerOf(host: LabHost, name: string): Promise<Vantage> {
  const { code, stdout, stderr } = await host.docker(['inspect', '-f', '{{.State.Pid}}', name]);
  const pid = Number(stdout.trim());
  if (code !== 0 || !(pid > 0))
    throw new Error(`container ${name} of ${host.name}: ${stderr.trim()}`);
  return {
    name: `${host.name}/${name}`,
    net: `/proc/${pid}/ns/net`,
    environment: host.environment,
  };
}

/** The namespace beyond the hosts. Its links: `underlay`, and one named for each host. */
export function outsideOf(lab: Lab): Vantage {
  return {
    name: 'outside',
    net: namespacePath(labNames(lab.prefix).outside),
    environment: { [markVariable]: lab.directory },
  };
}

/** The switch between the hosts. Its links: `h1u1`, `h1u2`, …, and one for each link of a machine. */
export function switchOf({ switch: { place } }: Site): Vantage {
  return { name: 'switch', net: namespacePath(place.namespace), environment: place.environment };
}

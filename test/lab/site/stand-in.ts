/** A stand-in for a container: a namespace with `eth0`, whose other end is a port of a host's bridge. */
import type { LabHost } from '../host.ts';
import { namespacePath, removeNamespace } from '../namespaces.ts';
import { labNames } from '../place.ts';
import { run, runOk, type Outcome, type RunOptions } from '../run.ts';
import { cutCable, inNamespace, ipBatch, layCable } from './cable.ts';

/** What a stand-in is to have. */
export interface StandInPlan {
  /** At most 8 letters and digits; one of a name on a host. */
  readonly name: string;
  /** The bridge of Open vSwitch that its port is put into. */
  readonly bridge: string;
  readonly addresses: readonly string[];
  readonly mtu: number;
  readonly mac?: string;
  /** Number of its port; Open vSwitch chooses without it. */
  readonly portNumber?: number;
  readonly gateways?: readonly string[];
}

/** It is removed with the lab, or by `remove`. */
export interface StandIn {
  readonly name: string;
  readonly namespace: string;
  /** Where its network namespace is found. */
  readonly net: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Name of its port. */
  readonly port: string;
  exec(command: readonly string[], options?: RunOptions): Promise<Outcome>;
  remove(): Promise<void>;
}

/** Makes one on a host. */
export async function addStandIn(host: LabHost, plan: StandInPlan): Promise<StandIn> {
  const { place } = host;
  const namespace = `${labNames(place.prefix).start}${place.name}-${plan.name}`;
  const port = `c-${plan.name}`;
  const { environment } = place;
  await runOk(['ip', 'netns', 'add', namespace]);
  await ipBatch(namespace, ['link set lo up']);
  await layCable({
    from: { namespace: place.namespace, link: port },
    to: { namespace, link: 'eth0' },
    mtu: plan.mtu,
    ...(plan.mac === undefined ? {} : { mac: plan.mac }),
  });
  await ipBatch(namespace, [
    ...plan.addresses.map((address) =>
      address.includes(':')
        ? `address add ${address} dev eth0 nodad`
        : `address add ${address} dev eth0`,
    ),
    ...(plan.gateways ?? []).map((via) => `route add default via ${via}`),
  ]);
  const number = plan.portNumber === undefined ? [] : [`ofport_request=${plan.portNumber}`];
  const settings = number.length === 0 ? [] : ['--', 'set', 'interface', port, ...number];
  const { code, stderr } = await host.ovsVsctl(['add-port', plan.bridge, port, ...settings]);
  if (code !== 0) throw new Error(`port ${port} of ${host.name}: ${stderr.trim()}`);
  return {
    name: `${host.name}/${plan.name}`,
    namespace,
    net: namespacePath(namespace),
    environment,
    port,
    exec: (command, options = {}) =>
      run([...inNamespace(namespace), ...command], {
        ...options,
        env: { ...environment, ...options.env },
      }),
    async remove() {
      await host.ovsVsctl(['--if-exists', 'del-port', plan.bridge, port]);
      await cutCable({ namespace: place.namespace, link: port });
      await removeNamespace(namespace);
    },
  };
}

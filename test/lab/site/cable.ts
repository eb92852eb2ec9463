/** Cables: pairs of links between namespaces, fit for a switch in user space. */
import { namespacePath } from '../namespaces.ts';
import { run, runOk } from '../run.ts';

/** One end of a cable. */
export interface CableEnd {
  readonly namespace: string;
  readonly link: string;
}

/** What is laid between two ends. */
export interface Cable {
  readonly from: CableEnd;
  readonly to: CableEnd;
  readonly mtu: number;
  /** MAC of the `to` end; drawn by the kernel without it. */
  readonly mac?: string;
}

/** Runs lines of `ip` in a namespace, and stops at the first that fails. */
export async function ipBatch(namespace: string, lines: readonly string[]): Promise<void> {
  await runOk(['ip', '-netns', namespace, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

/** The command that puts what follows into a namespace. */
export function inNamespace(namespace: string): readonly string[] {
  // not `ip netns exec`: that one mounts another /sys
  return ['nsenter', `--net=${namespacePath(namespace)}`];
}

/** Lays a cable; both ends are up and have no address of their own, not even one of IPv6. */
export async function layCable({ from, to, mtu, mac }: Cable): Promise<void> {
  const address = mac === undefined ? '' : ` address ${mac}`;
  const peer = `peer name ${from.link} netns ${from.namespace} mtu ${mtu}`;
  await ipBatch(to.namespace, [`link add ${to.link}${address} mtu ${mtu} type veth ${peer}`]);
  for (const { namespace, link } of [from, to]) {
    await ipBatch(namespace, [`link set ${link} addrgenmode none`, `link set ${link} up`]);
    // a switch in user space sees frames as the kernel left them: what is left for hardware to do, such as
    // checksums and cutting into segments, would never be done
    const off = ['ethtool', '-K', link, 'tx', 'off', 'gro', 'off'];
    await runOk([...inNamespace(namespace), ...off]);
  }
}

/** Removes a link and so both ends of its cable, at once; nothing to do when it is not there. */
export async function cutCable({ namespace, link }: CableEnd): Promise<void> {
  const { code, stderr } = await run(['ip', '-netns', namespace, 'link', 'delete', link]);
  if (code !== 0 && !/Cannot find device|No such file/.test(stderr)) {
    throw new Error(`link ${link} of ${namespace} is not removed: ${stderr.trim()}`);
  }
}

/** Sets kernel settings of a namespace, written as `net.ipv4.ip_forward=1`. */
export async function setKernel(namespace: string, settings: readonly string[]): Promise<void> {
  await runOk([...inNamespace(namespace), 'sysctl', '-qw', ...settings]);
}

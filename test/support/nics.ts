/** NICs of a lab's host as its kernel has them, in every respect that an uplink changes. */
import type { LabHost } from '../lab/host.ts';
import { until } from './until.ts';

const settings = [
  'ipv4/conf/%/forwarding',
  'ipv4/conf/%/rp_filter',
  'ipv4/conf/%/arp_ignore',
  'ipv6/conf/%/disable_ipv6',
];

/** Runs `ip` on a host; it must succeed. */
export async function ipOk(host: LabHost, line: string): Promise<string> {
  const { code, stdout, stderr } = await host.exec(['ip', ...line.split(' ')]);
  if (code !== 0) throw new Error(`ip ${line} on ${host.name}: ${stderr.trim()}`);
  return stdout;
}

/** Flags, addresses, settings of the kernel and offloads of a NIC, as text to be compared. */
export async function nicOf(host: LabHost, name: string): Promise<readonly string[]> {
  const link = await ipOk(host, `-o link show ${name}`);
  const addresses = await ipOk(host, `-o address show ${name}`);
  const files = settings.map((path) => `/proc/sys/net/${path.replace('%', name)}`);
  const kernel = await host.exec(['grep', '', ...files]);
  const offloads = await host.exec(['ethtool', '-k', name]);
  return [
    /<(.*)>/.exec(link)?.[1] ?? '',
    ...addresses.split('\n').map((line) => line.split(/\s+/).slice(2, 4).join(' ')),
    ...kernel.stdout.trim().split('\n'),
    ...offloads.stdout.split('\n').filter((line) => line.includes('receive-offload')),
  ];
}

/** Waits until a NIC is in every respect as it was; its last difference is in the error. */
export async function untilNicIs(
  host: LabHost,
  name: string,
  wanted: readonly string[],
): Promise<void> {
  await until(`${name} of ${host.name} is ${wanted.join('; ')}`, async () => {
    const now = await nicOf(host, name);
    if (now.join('\n') === wanted.join('\n')) return true;
    throw new Error(`it is ${now.join('; ')}`);
  });
}
